import { problemLines, wrapText } from '../../../lib/tui/cell-text.ts';
import type { Line, Tone } from '../../../lib/tui/page.ts';
import type { DeployPlan } from '../../console-api.ts';

const LABEL_COLUMNS = 22;

/** What a deployment would do; until that is known why not, or that it is being read. */
export function planLines(
  { plan, problem }: { plan: DeployPlan | undefined; problem: string },
  columns: number,
): Line[] {
  if (plan !== undefined) return knownPlanLines(plan, columns);
  if (problem === '') return [[{ text: '  Reading …', tone: 'muted' }]];
  return problemLines(problem, columns);
}

/** Rows, then what is not applied, warnings and problems. */
function knownPlanLines(plan: DeployPlan, columns: number): Line[] {
  const lines: Line[] = plan.rows.flatMap(({ label, value }) =>
    wrapText(value, columns - LABEL_COLUMNS - 4).map(
      (text, i): Line => [
        { text: `  ${(i === 0 ? label : '').padEnd(LABEL_COLUMNS)}`, tone: 'muted' },
        { text },
      ],
    ),
  );
  const add = (texts: readonly string[], options: { tone: Tone; before: string }) => {
    for (const text of texts) {
      const wrapped = wrapText(`${options.before}${text}`, columns - 4);
      lines.push(...wrapped.map((one): Line => [{ text: `  ${one}`, tone: options.tone }]));
    }
  };
  add(plan.problems ?? [], { tone: 'bad', before: '! ' });
  add(plan.warnings, { tone: 'warning', before: '! ' });
  add(plan.notApplied, { tone: 'warning', before: 'not applied by this version: ' });
  return lines;
}

/** A part of longer lines that the page keys move. */
export class ScrolledLines {
  #top = 0;
  #rows = 1;
  #total = 0;

  render(lines: readonly Line[], rows: number): Line[] {
    this.#rows = Math.max(1, rows);
    this.#total = lines.length;
    this.#move(0);
    const shown = lines.slice(this.#top, this.#top + this.#rows);
    const below = this.#total - this.#top - this.#rows;
    if (below <= 0) return shown;
    const more: Line = [{ text: `  ▼ ${below + 1} more lines (PgDn)`, tone: 'muted' }];
    return [...shown.slice(0, -1), more];
  }

  /** @returns whether the key was used. */
  onKey(name: string): boolean {
    const step = { pageup: 1 - this.#rows, pagedown: this.#rows - 1 }[name];
    if (step === undefined) return false;
    this.#move(step);
    return true;
  }

  #move(rows: number): void {
    this.#top = Math.max(0, Math.min(this.#top + rows, this.#total - this.#rows));
  }
}
