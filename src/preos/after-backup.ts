import { askNumber } from '../lib/dialog.ts';
import { MenuPage } from './menu-page.ts';
import type { Terminals } from './tty-screen.ts';

const ITEMS = [
  { choice: 'another', label: 'Back up something else' },
  { choice: 'shutdown', label: 'Shut down' },
  { choice: 'restart', label: 'Restart' },
  { choice: 'menu', label: 'Go to the menu' },
] as const;

/** Shows what was stored and asks what next. */
export async function askAfterBackup(
  terminals: Terminals,
  { lines, signal }: { lines: readonly string[]; signal: AbortSignal },
): Promise<(typeof ITEMS)[number]['choice']> {
  const title = 'The backup is complete';
  const { result } = await terminals.present(
    {
      page: () =>
        new MenuPage({
          title,
          helpTopic: 'preos.menu',
          results: lines,
          question: 'What next?',
          items: ITEMS,
        }),
      lines: async (io) => {
        const labels = ITEMS.map(({ label }) => label);
        return ITEMS[await askNumber(io, { title, lines, items: labels })]!.choice;
      },
    },
    { signal },
  );
  return result;
}
