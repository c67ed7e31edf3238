import { diskRuleProblem } from '../disk/disk-rule.ts';
import { errorLine, TdError } from '../lib/errors.ts';
import { TEMPLATE_VERSION, type Template, templateSchema } from '../schema/template.ts';
import type { FieldProblem } from './console-api.ts';
import { type Secrets, templateSecrets } from './secrets.ts';

/** As much as one call to the console may carry, so that what can be stored can be shown and edited. */
export const TEMPLATE_BYTES_MAX = 900_000;
const TOLD_MAX = 3;

export interface TemplateCheck {
  /** Undefined when a field has not the shape it must have. */
  template: Template | undefined;
  /** Everything that is wrong, each with the path of its field. */
  problems: FieldProblem[];
}

/**
 * Checks anything that should be a template; nothing is thrown.
 *
 * @param secrets of the console that is to open the passwords; without them they are not looked at.
 */
export function checkTemplate(value: unknown, secrets?: Secrets): TemplateCheck {
  const version = (value as { version?: unknown } | null)?.version;
  if (typeof version === 'number' && version > TEMPLATE_VERSION) {
    const message = `it is of version ${version}, this program knows version ${TEMPLATE_VERSION}; use a newer program`;
    return { template: undefined, problems: [{ path: 'version', message }] };
  }
  const parsed = templateSchema.safeParse(value, { error: plainWords });
  if (!parsed.success) return { template: undefined, problems: onePerField(parsed.error.issues) };
  const template = parsed.data;
  const problems: FieldProblem[] = [];
  const disk = diskRuleProblem(template.targetDisk);
  if (disk !== undefined) problems.push({ path: 'targetDisk', message: disk });
  for (const { path, secret } of secrets === undefined ? [] : templateSecrets(template)) {
    try {
      secrets?.open(secret);
    } catch (error) {
      problems.push({ path, message: errorLine(error) });
    }
  }
  return { template, problems };
}

/** {@link checkTemplate} of a file's text; broken JSON is a problem too, at its line and column. */
export function checkTemplateText(text: string, secrets?: Secrets): TemplateCheck {
  const parsed = parseJson(text);
  if ('problem' in parsed) return { template: undefined, problems: [{ path: '', message: parsed.problem }] };
  return checkTemplate(parsed.value, secrets);
}

/** `users.0.name: must not be empty`. */
export function problemLine({ path, message }: FieldProblem): string {
  return path === '' ? message : `${path}: ${message}`;
}

/** The one-line error of a template that cannot be used. @param action e.g. `save template "lab"`. */
export function templateError(action: string, problems: readonly FieldProblem[]): TdError {
  const told = problems.slice(0, TOLD_MAX).map(problemLine).join('; ');
  const more = problems.length - TOLD_MAX;
  return new TdError('invalid', `Cannot ${action}: ${told}${more > 0 ? `; and ${more} more` : ''}`);
}

export function parseJson(text: string): { value: unknown } | { problem: string } {
  const json = text.replace(/^\uFEFF/, '');
  try {
    return { value: JSON.parse(json) };
  } catch (error) {
    const reason = errorLine(error);
    const what = /^(.*?)(?:,? in JSON| after JSON|, (?:\.\.\.)?"| is not valid)/.exec(reason)?.[1] ?? reason;
    const lines = json.slice(0, soundChars(json, reason)).split('\n');
    const column = (lines.at(-1) ?? '').length + 1;
    return { problem: `it is no JSON: ${what} at line ${lines.length}, column ${column}` };
  }
}

/** The parser does not always say where it stopped: then by the shortest beginning that already fails as the whole. */
function soundChars(json: string, reason: string): number {
  const position = / at position (\d+)/.exec(reason);
  if (position !== null) return Number(position[1]);
  if (!hasUnexpectedToken(json)) return json.length;
  let [from, to] = [1, json.length];
  while (from < to) {
    const middle = Math.floor((from + to) / 2);
    if (hasUnexpectedToken(json.slice(0, middle))) to = middle;
    else from = middle + 1;
  }
  return from - 1;
}

function hasUnexpectedToken(text: string): boolean {
  try {
    JSON.parse(text);
    return false;
  } catch (error) {
    return errorLine(error).startsWith('Unexpected token');
  }
}

interface RawIssue {
  code?: string;
  input?: unknown;
  expected?: unknown;
  values?: unknown;
  origin?: unknown;
  minimum?: unknown;
  maximum?: unknown;
}

const TYPES: Readonly<Record<string, string>> = {
  string: 'a text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'an object with its own fields',
};

/** What the schema says in its own words stays; the rest in an administrator's. */
function plainWords(issue: RawIssue): string | undefined {
  const { code, input, minimum, maximum } = issue;
  const unit = issue.origin === 'string' ? ' characters' : issue.origin === 'array' ? ' entries' : '';
  if (input === undefined && (code === 'invalid_type' || code === 'invalid_value')) return 'is missing';
  if (code === 'invalid_type') return `must be ${TYPES[String(issue.expected)] ?? String(issue.expected)}`;
  if (code === 'invalid_value') return `use ${(issue.values as unknown[]).join(', ')}`;
  if (code === 'too_small') return `must be at least ${String(minimum)}${unit}`;
  if (code === 'too_big') return `must be at most ${String(maximum)}${unit}`;
  return undefined;
}

interface Issue {
  code: string;
  path: PropertyKey[];
  message: string;
  keys?: string[];
}

/** The first problem of each field: what follows from it would only confuse. */
function onePerField(issues: readonly Issue[]): FieldProblem[] {
  const problems = new Map<string, string>();
  for (const { code, path, message, keys } of issues) {
    const unknown = code === 'unrecognized_keys' ? (keys ?? []) : undefined;
    for (const key of unknown ?? [undefined]) {
      const place = [...path, ...(key === undefined ? [] : [key])].map(String).join('.').slice(0, 200);
      if (!problems.has(place)) problems.set(place, key === undefined ? message : 'is not a known setting');
    }
  }
  return [...problems].map(([path, message]) => ({ path, message }));
}
