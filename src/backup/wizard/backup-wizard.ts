import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { MountedShare, ShareRequest } from '../../disk/share-mount.ts';
import type { Dialog } from '../../lib/dialog.ts';
import { TdError } from '../../lib/errors.ts';
import type { Logger } from '../../lib/log.ts';
import type { BackupRequest, BackupWizard } from '../../preos/role.ts';
import type { BootParams } from '../../schema/boot-params.ts';
import type { Site } from '../../schema/site.ts';
import { type BackupDraft, newDraft, partitionsToTake } from './backup-draft.ts';
import { askBackupByLines } from './backup-lines.ts';
import { BackupWizardPage } from './backup-wizard-page.ts';
import { DestinationStep } from './destination-step.ts';
import { DiskStep } from './disk-step.ts';
import { ImageStep } from './image-step.ts';
import type { BackupContext } from './step-view.ts';
import { SummaryStep } from './summary-step.ts';
import { type PartsOptions, systemParts, type WizardParts } from './wizard-parts.ts';

export interface OpenWizardOptions extends Pick<PartsOptions, 'listFolder' | 'suggestedPartitions'> {
  params: Partial<BootParams>;
  site: Site | undefined;
  logger: Logger;
  signal: AbortSignal;
  given: Partial<BackupRequest>;
  /** Whether this computer may be shut down or restarted afterwards; default true. */
  canPower?: boolean;
  /** Replaced in tests. */
  parts?: Partial<WizardParts>;
}

/** Asks for a backup; keeps what was entered, and what is mounted for it, until it is disposed. */
export async function openBackupWizard(options: OpenWizardOptions): Promise<BackupWizard> {
  return new Wizard(options);
}

class Wizard implements BackupWizard, BackupContext {
  readonly draft: BackupDraft;
  readonly parts: WizardParts;
  readonly canPower: boolean;
  readonly #given: Partial<BackupRequest>;
  #mounted: { key: string; share: MountedShare } | undefined;

  constructor(options: OpenWizardOptions) {
    const { params, site, given } = options;
    const mountPoint = join(tmpdir(), `totaldeploy-backup-${process.pid}`);
    this.parts = { ...systemParts({ ...options, mountPoint }), ...options.parts };
    this.canPower = options.canPower ?? true;
    this.#given = given;
    const today = new Date().toISOString().slice(0, 10);
    const to = given.to ?? '';
    const isName = to.startsWith('console:');
    this.draft = newDraft({
      console: params.console ?? site?.console ?? '',
      name: isName ? to.slice('console:'.length) : (params.name ?? `master ${today}`),
      level: String(params.level ?? 3),
      after: params.after ?? 'wait',
      disk: given.disk?.replace(/^\/dev\//, '') ?? '',
      ...(params.partitions === undefined ? {} : { chosen: params.partitions }),
    });
  }

  dialog(problem: string): Dialog<BackupRequest | 'left'> {
    return {
      page: () => {
        const views = [DiskStep, DestinationStep, ImageStep, SummaryStep].map((View) => new View(this));
        return new BackupWizardPage(this, {
          views,
          problem: this.inWords(problem),
          request: () => this.request(),
        });
      },
      lines: (io) => askBackupByLines(io, { given: this.#given, problem, disks: () => this.parts.disks() }),
    };
  }

  inWords(text: string): string {
    if (this.#mounted === undefined) return text;
    const { path, source } = this.#mounted.share;
    return text.replaceAll(path, source.source);
  }

  request(): BackupRequest {
    const { draft } = this;
    const common = {
      disk: `/dev/${draft.disk.replaceAll('!', '/')}`,
      partitions: partitionsToTake(draft),
      name: draft.name,
      comment: draft.comment,
      level: Number(draft.level),
      force: draft.force,
      check: draft.check,
      after: draft.after,
    };
    if (draft.kind === 'console') return { ...common, to: `console:${draft.name}`, console: draft.console };
    return { ...common, to: join(this.#folderNow(), `${draft.name}.sco`) };
  }

  async openFolder(signal: AbortSignal): Promise<string> {
    const request = mountRequest(this.draft);
    const key = JSON.stringify(request ?? '');
    if (this.#mounted !== undefined && this.#mounted.key !== key) await this.#unmount();
    if (request !== undefined && this.#mounted === undefined) {
      this.#mounted = { key, share: await this.parts.mount(request, signal) };
    }
    return this.#folderNow();
  }

  #folderNow(): string {
    const { kind, folder } = this.draft;
    if (kind === 'folder') return folder;
    if (this.#mounted === undefined)
      throw new TdError('usage', 'The destination is not connected; go back to it');
    return join(this.#mounted.share.path, folder);
  }

  async #unmount(): Promise<void> {
    const mounted = this.#mounted;
    this.#mounted = undefined;
    await mounted?.share[Symbol.asyncDispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#unmount();
  }
}

function mountRequest(draft: BackupDraft): ShareRequest | undefined {
  const { kind, device, share, user, password, domain } = draft;
  switch (kind) {
    case 'disk':
      return { kind: 'usb', source: device };
    case 'nfs':
      return { kind, source: share };
    case 'smb':
      return { kind, source: share, user, password, domain };
    default:
      return undefined;
  }
}
