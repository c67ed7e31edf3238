import { basename } from 'node:path';
import type { ImageSink } from '../image/image-writer.ts';
import { TdError } from '../lib/errors.ts';
import type { ProgressState } from '../lib/progress.ts';
import { imageNameSchema } from '../schema/image-manifest.ts';
import type { CaptureStep } from '../schema/job.ts';
import type { CapturePlan } from './capture-plan.ts';

/** Where an image goes, as the person gave it. */
export type DestinationAddress =
  | { kind: 'console'; name: string }
  | { kind: 'file'; path: string; name: string };

/** A place that takes one image. */
export interface Destination extends AsyncDisposable {
  /** For people, e.g. `console lab-server (10.0.0.1)` or a path. */
  readonly title: string;
  /** Aborts, with a TdError as the reason, when the destination is lost or cancels the capture. */
  readonly signal: AbortSignal;
  /** Makes sure the image will be taken, and opens it. */
  open(plan: CapturePlan): Promise<ImageSink>;
  state(step: CaptureStep, detail: string): void;
  progress(state: ProgressState): void;
  /** Told once, after the sink was closed or aborted; nothing that could be taken for an image stays on failure. */
  end(error: TdError | undefined): Promise<void>;
}

const OTHER_SCHEMES = /^(smb|cifs|nfs|ssh|sftp|ftp|https?):/i;

/**
 * Reads `console:NAME` or a path such as `/mnt/usb/NAME.sco`.
 *
 * @throws TdError `usage` that says what is allowed.
 */
export function parseDestination(text: string): DestinationAddress {
  const bad = (why: string) =>
    new TdError(
      'usage',
      `Cannot store the image at "${text}": ${why}; use console:NAME or a path such as /mnt/NAME.sco`,
    );
  if (text.startsWith('console:')) {
    return { kind: 'console', name: checkedName(text.slice('console:'.length), bad) };
  }
  if (OTHER_SCHEMES.test(text)) throw bad(`${text.split(':')[0]}: is not in this version`);
  if (text === '' || text.includes('\0') || text.endsWith('/')) throw bad('it names no file');
  const path = text.endsWith('.sco') ? text : `${text}.sco`;
  return { kind: 'file', path, name: checkedName(basename(path, '.sco'), bad) };
}

function checkedName(name: string, bad: (why: string) => TdError): string {
  const checked = imageNameSchema.safeParse(name);
  if (checked.success) return checked.data;
  throw bad(`the name "${name}" cannot be used (${checked.error.issues[0]?.message ?? 'it is not allowed'})`);
}
