import type { MountablePartition } from '../disk/mountable-partitions.ts';
import type { ExportKind } from '../media/export.ts';
import type { AfterAction } from '../schema/after-action.ts';
import type { DiskLayout } from '../schema/disk-layout.ts';
import type { Template, TemplateInput } from '../schema/template.ts';
import type { KnownComputer } from './computers.ts';
import type { ComputerView, JobSnapshot } from './console-core.ts';
import type { ConsoleStatus } from './console-status.ts';
import type { ImageEntry } from './image-library.ts';
import type { ConsoleEvent, JobSummary } from './store.ts';

export type { KnownComputer } from './computers.ts';
export type { JobSummary } from './store.ts';

/** What an image holds, for the page that chooses disk and partitions. */
export interface ImageDetails {
  name: string;
  path: string;
  comment: string;
  createdAt: string;
  encrypted: boolean;
  usedBytes: number;
  storedBytes: number;
  firmware: 'bios' | 'uefi' | 'unknown';
  disks: DiskLayout[];
  /** By disk: the partitions an administrator would start with (system and active, else all). */
  suggestedPartitions: number[][];
  /** By disk, in the order of its partitions: used bytes as the capture counted them; null for one it left out. */
  partitionUsedBytes: (number | null)[][];
  flaws: string[];
}

export interface CheckProgress {
  doneBytes: number;
  totalBytes: number;
  damagedChunks: number;
}

export interface CheckResult {
  ok: boolean;
  /** One line a person reads first. */
  summary: string;
  /** Damaged chunks and the partitions they belong to; at most 50 lines. */
  problems: string[];
}

export interface TemplateEntry {
  name: string;
  image: string;
  comment: string;
  changedAt: string;
  offeredOnTargets: boolean;
  /** Empty, or why it cannot be deployed: every problem, one a line, with its path. */
  problems: string[];
}

/** A problem of one field, e.g. path `users.0.name`. */
export interface FieldProblem {
  path: string;
  message: string;
}

/** What a deployment would do, in the words of the summary page. */
export interface DeployPlan {
  rows: { label: string; value: string }[];
  /** Settings that this version does not apply, in so many words. */
  notApplied: string[];
  warnings: string[];
  /** Why it would be refused as things are now. */
  problems?: string[];
  /** Whose password is to be asked for and given as `domainPassword`. */
  asks?: { user: string; domain: string };
}

export interface DeployParams {
  /** A stored template, or one given whole; exactly one of both. */
  template?: string;
  inline?: TemplateInput;
  /** Every waiting computer, or computer ids, names and MAC addresses. */
  targets?: 'all' | string[];
  waitFor?: number;
  waitSeconds?: number;
  after?: AfterAction;
  /** Of who joins computers to the domain; goes before the template's. */
  domainPassword?: string;
}

export interface FolderEntry {
  name: string;
  kind: 'folder' | 'file';
  sizeBytes: number;
  changedAt: string;
}

export interface Folder {
  path: string;
  /** Absent at the root. */
  parent?: string;
  freeBytes: number;
  writable: boolean;
  entries: FolderEntry[];
  /** Image storage that is mounted: where a person most likely wants to go. */
  places?: { name: string; path: string }[];
}

/** A place for images: a folder of this computer, a USB disk, or a share. */
export interface StoragePlace {
  id: string;
  kind: 'folder' | 'usb' | 'smb' | 'nfs';
  /** Folder, device (`/dev/sdb1`), `//server/share/path` or `server:/export/path`. */
  source: string;
  user: string;
  /** Where it is mounted; empty while it is not. */
  path: string;
  freeBytes: number;
  totalBytes: number;
  /** Where captures go. */
  isDefault: boolean;
  writable?: boolean;
  problem: string;
}

export interface NewStorage {
  kind: StoragePlace['kind'];
  source: string;
  user?: string;
  password?: string;
  domain?: string;
  makeDefault?: boolean;
}

/** A removable disk that boot media can be written to. */
export interface UsbStick {
  device: string;
  model: string;
  serial: string;
  sizeBytes: number;
  /** What is on it, for the second look: labels and file systems. */
  contents: string[];
}

export interface ExportParams {
  kind: ExportKind;
  /** A new folder (`pxe`) or file; for `usb` a new file or a stick's device. */
  dest: string;
  /** For a stick: its size in bytes as the person confirmed it. */
  confirmBytes?: number;
  console?: string;
  timeoutSeconds?: number | null;
  mode?: 'menu' | 'agent' | 'backup' | 'console';
  params?: string[];
  serverAddress?: string;
}

export interface LicenceStatus {
  /** Off means unlimited. */
  enforced: boolean;
  holder: string;
  server: { bought: number; used: number };
  workstation: { bought: number; used: number };
  /** A server licence stands in for a workstation one: by itself, or only when asked. */
  substitute: 'auto' | 'ask';
  computers: { computerId: string; name: string; kind: 'server' | 'workstation'; since: string }[];
  /** Why the licence kept here cannot be used; no further computer is deployed to then. */
  problem?: string;
}

export interface ConsoleSettings {
  templatesDir: string;
  /** Network interface; empty for the one with a default route. Takes effect at the next start; in the Pre-OS at once. */
  interface: string;
  /**
   * In the Pre-OS: `dhcp`, or a static address as in td.ip; to set, empty stands for that of the boot parameters. A
   * change starts the console again, and is refused while a job runs. Elsewhere empty.
   */
  address: string;
  /** People at targets type it to start an offered template; empty asks for none. Never told: only `pinSet` is. */
  customPin: string;
  pinSet?: boolean;
  /** The page for browsers. */
  web: { enabled: boolean; port: number; passwordSet: boolean };
  /** What there is to choose from. */
  interfaces?: { name: string; address: string }[];
  /** False where the computer's own system decides its address. */
  canSetAddress?: boolean;
}

export interface LogFilter {
  jobId?: string;
  /** Computer id, name or MAC. */
  computer?: string;
  level?: 'info' | 'warn' | 'error';
  /** Part of the text, upper and lower case alike. */
  text?: string;
  afterId?: number;
  limit?: number;
}

export type ReportFormat = 'text' | 'json' | 'html';

/**
 * Everything a face of the console can ask for, by name: parameters, what is told meanwhile, and the result. The
 * text UI, the command line and the page for browsers use nothing else.
 */
export interface ConsoleCalls {
  status: { params: object; result: ConsoleStatus };
  computers: { params: object; result: ComputerView[] };
  /** Computers seen before that are not connected, by name. */
  'computers.known': { params: object; result: KnownComputer[] };
  /** Sends wake-on-LAN packets to computers seen before. */
  wake: { params: { computers: string[] }; result: { woken: string[] } };
  power: { params: { computers: string[]; action: 'shutdown' | 'restart' }; result: null };

  images: { params: object; result: ImageEntry[] };
  'image.details': { params: { image: string; password?: string }; result: ImageDetails };
  'image.check': {
    params: { image: string; quick?: boolean; password?: string };
    event: CheckProgress;
    result: CheckResult;
  };

  'template.list': { params: object; result: TemplateEntry[] };
  'template.get': { params: { name: string }; result: Template };
  /** Checks every field; secrets are sealed. */
  'template.save': { params: { template: TemplateInput; replace?: boolean }; result: { path: string } };
  'template.delete': { params: { name: string }; result: null };
  /** Checks what may be incomplete; an empty list means that it could be saved. */
  'template.check': { params: { template: unknown }; result: FieldProblem[] };
  /** Reads a CSV file with the columns mac, name, address, prefix, gateway. */
  'template.table': { params: { path: string }; result: Template['table'] };

  plan: { params: DeployParams; result: DeployPlan };
  deploy: { params: DeployParams | Record<string, unknown>; result: { jobId: string } };
  cancel: { params: { jobId: string; computer?: string; reason?: string }; result: null };
  /** Failed and cancelled computers of a job, as a new job of the same settings or in the running one. */
  retry: { params: { jobId: string; computers?: string[] }; result: { jobId: string } };
  /** Live jobs with all their computers. */
  jobs: { params: object; result: JobSnapshot[] };
  job: { params: { jobId: string }; result: JobSnapshot };
  watch: { params: { jobId: string }; event: JobSnapshot; result: JobSnapshot };
  'job.history': { params: { limit?: number }; result: JobSummary[] };
  report: { params: { jobId: string; format: ReportFormat }; result: { text: string } };
  'report.save': { params: { jobId: string; format: ReportFormat; path: string }; result: null };

  log: { params: LogFilter; result: ConsoleEvent[] };
  /** Writes what the filter lets through to a new text file of the console's computer. */
  'log.save': { params: Omit<LogFilter, 'afterId'> & { path: string }; result: { lines: number } };

  export: {
    params: ExportParams;
    event: { step: string; doneBytes: number; totalBytes: number };
    result: { path: string; sizeBytes: number };
  };
  'usb.sticks': { params: object; result: UsbStick[] };

  'storage.list': { params: object; result: StoragePlace[] };
  'storage.add': { params: NewStorage; result: StoragePlace };
  'storage.remove': { params: { id: string }; result: null };
  'storage.default': { params: { id: string }; result: null };
  /** Partitions of the console's computer that can become such a place. */
  'storage.devices': { params: object; result: MountablePartition[] };
  /** Folders and files of the console's computer, for browse dialogs. */
  browse: { params: { path: string; suffix?: string }; result: Folder };

  licences: { params: object; result: LicenceStatus };
  'licences.load': { params: { path: string }; result: LicenceStatus };
  'licences.substitute': { params: { substitute: 'auto' | 'ask' }; result: LicenceStatus };

  settings: { params: object; result: ConsoleSettings };
  'settings.change': {
    params: Partial<Omit<ConsoleSettings, 'web' | 'pinSet' | 'interfaces' | 'canSetAddress'>> & {
      web?: { enabled?: boolean; port?: number; password?: string };
    };
    result: ConsoleSettings;
  };
}

export type ConsoleCall = keyof ConsoleCalls;

type EventOf<Name extends ConsoleCall> = ConsoleCalls[Name] extends { event: infer Event } ? Event : never;

/** The console as its faces see it: in the same process, or over its Unix socket. */
export interface ConsoleApi {
  /** @throws TdError as the console's method threw it, or `network` when the console went away. */
  call<Name extends ConsoleCall>(
    name: Name,
    params: ConsoleCalls[Name]['params'],
    options?: { onEvent?: (event: EventOf<Name>) => void; signal?: AbortSignal },
  ): Promise<ConsoleCalls[Name]['result']>;
}
