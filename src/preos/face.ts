import type { Dialog } from '../lib/dialog.ts';
import type { ScreenView } from '../lib/screen.ts';

/** What a person asked for while no dialog was open. */
export type Call =
  | { kind: 'menu' | 'network' | 'shell' | 'restart' | 'stop' | 'lines' }
  | { kind: 'choice'; index: number };

export interface FaceEvents {
  onCall(call: Call): void;
}

/** How one terminal shows things and asks: full screens, or line by line. */
export interface Face extends AsyncDisposable {
  /** Aborts when the face is gone, with every dialog that was open on it. */
  readonly closed: AbortSignal;
  milestone(line: string): void;
  show(view: ScreenView): void;
  /** @throws when the signal aborts or the face closes. */
  present<Result>(dialog: Dialog<Result>, signal: AbortSignal): Promise<Result>;
}
