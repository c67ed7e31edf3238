/** What must be undone even when the process is interrupted; run synchronously, in reverse order. */
const pending = new Set<() => void>();
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
let watching = false;

/**
 * Registers an undo step for Ctrl-C, termination and a plain exit. The normal way out is the handle's own
 * disposal, which calls the returned function to take the step back.
 */
export function onInterrupt(undo: () => void): () => void {
  watch();
  pending.add(undo);
  return () => pending.delete(undo);
}

function watch(): void {
  if (watching) return;
  watching = true;
  process.on('exit', undoAll);
  for (const name of SIGNALS) {
    process.once(name, () => {
      undoAll();
      process.kill(process.pid, name);
    });
  }
}

function undoAll(): void {
  for (const undo of [...pending].reverse()) {
    pending.delete(undo);
    try {
      undo();
    } catch {
      // one step that fails must not keep the others from running
    }
  }
}
