import { chmod, mkdir, readFile, stat } from 'node:fs/promises';
import { hostname, networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { startControlServer } from '../control/control-server.ts';
import { type DiscoveryResponderOptions, startDiscoveryResponder } from '../control/discovery-responder.ts';
import { type Identity, openIdentity } from '../control/identity.ts';
import { type ImageServiceOptions, type ServedImage, startImageService } from '../control/image-service.ts';
import { ServiceTokens } from '../control/service-tokens.ts';
import type { Clock } from '../lib/clock.ts';
import { errorLine, TdError } from '../lib/errors.ts';
import type { HostNetwork } from '../lib/host-network.ts';
import type { Logger } from '../lib/log.ts';
import { type Screen, silentScreen } from '../lib/screen.ts';
import { PROGRAM_VERSION } from '../lib/version.ts';
import { startSendSession } from '../multicast/send-session.ts';
import { DATA_GROUP, DEFAULT_PORTS } from '../schema/site.ts';
import type { Secret } from '../schema/template.ts';
import type { ConsoleApi } from './console-api.ts';
import { ConsoleCore } from './console-core.ts';
import { type ConsoleStatus, consoleMethods } from './console-methods.ts';
import { type ConsolePaths, consolePaths } from './console-paths.ts';
import type { ConsolePorts } from './console-ports.ts';
import { showConsole } from './console-screen.ts';
import { SettingsStore } from './console-settings.ts';
import { CustomOffers } from './custom-offers.ts';
import { lockDataDir } from './data-dir-lock.ts';
import type { DeployLimits } from './deploy-request.ts';
import { SessionPlaces, type StartMulticast } from './deploy-session.ts';
import { ImageLibrary } from './image-library.ts';
import type { PartialFile } from './image-upload.ts';
import type { CustomisationContext } from './job-customisation.ts';
import { imageKind, Licences } from './licences.ts';
import { localApi } from './local-api.ts';
import { type ConsoleNetwork, chooseNetwork } from './network-choice.ts';
import { isConsoleAlive } from './rpc-client.ts';
import { startRpcServer } from './rpc-server.ts';
import { Secrets } from './secrets.ts';
import { Storages } from './storages.ts';
import { ConsoleStore, isEnded, type NewEvent } from './store.ts';
import { TemplateStore } from './template-store.ts';
import { startWebView } from './web/web-view.ts';

/** Enough for an answer to reach a screen, a command or a browser. */
const ANSWER_MS = 500;
/** Where the Pre-OS keeps what lasts until the computer is switched off. */
const PREOS_RUN_DIR = '/run/totaldeploy';

export interface ConsoleOptions {
  dataDir: string;
  /** Folder of the images; default `images` in the data directory. */
  imagesDir?: string;
  /** Network interface; default the one with a default route, else the only one. */
  interface?: string;
  ports?: Partial<ConsolePorts>;
  /** How the console is called on screens; default the host name. */
  name?: string;
  /** Lets computers in whose medium carries no site image. */
  acceptUnknown?: boolean;
  screen?: Screen;
  /** In the Pre-OS: a change of its settings ends this run, and another one follows. */
  hostNetwork?: HostNetwork;
  logger: Logger;
  signal: AbortSignal;
  /** Called once when everything listens. */
  onReady?(status: ConsoleStatus, api: ConsoleApi): void;
  /** Replaced in tests. */
  parts?: {
    startMulticast?: StartMulticast;
    startDiscovery?: (options: DiscoveryResponderOptions) => Promise<AsyncDisposable>;
    deployLimits?: Partial<DeployLimits>;
    clock?: Clock;
    openFile?: (path: string) => Promise<PartialFile>;
    /** Checks licences. */
    vendorKey?: string;
  };
}

/**
 * Runs a console until the signal aborts.
 *
 * @throws TdError when it cannot start: data directory in use or damaged, ports taken, no network.
 */
export async function runConsole(options: ConsoleOptions): Promise<void> {
  const { logger, signal, screen = silentScreen } = options;
  const name = options.name ?? hostname();
  const paths = consolePaths(options.dataDir, options.imagesDir);
  await prepareFolders(paths, logger);
  await using stack = new AsyncDisposableStack();
  stack.use(lockDataDir(paths.data));
  const ownPorts: number[] = [];
  const settings = await SettingsStore.open(paths.data, {
    defaultTemplatesDir: paths.templates,
    ownPorts: () => ownPorts,
    whyNoChange: () => runningJob(core),
    ...(options.hostNetwork === undefined ? {} : { network: answeringFirst(options.hostNetwork, stack) }),
  });
  const saved = settings.get().interface || (options.hostNetwork?.now().card ?? '');
  const network = await findNetwork(options.interface, saved);
  const identity = await openIdentity(paths.identity, { name, logger });
  const store = stack.use(ConsoleStore.open(paths.database, { logger }));
  await chmod(paths.database, 0o600);
  const secrets = new Secrets(identity);
  const mountsDir = await mountsDirOf(paths);
  const storages = stack.use(
    await Storages.open({
      ...{ dataDir: paths.data, ownDir: paths.images, mountsDir, secrets, logger },
      release: (dir) => library.release(dir),
    }),
  );
  const library: ImageLibrary = stack.use(
    new ImageLibrary(paths.images, {
      places: () => storages.imagePlaces(),
      captureFolder: () => storages.captureFolder(),
    }),
  );
  await recover(store, library);
  const addEvent = (event: NewEvent) => store.addEvent(event);
  const licences = stack.use(await Licences.open(paths.data, { ...options.parts, addEvent, logger }));
  const templates = new TemplateStore({ dir: () => settings.get().templatesDir, secrets });
  const customisation = {
    open: (secret: Secret) => secrets.open(secret),
    shares: { places: () => storages.shares(), mountsDir },
  };
  const core = newCore({ store, library, licences, network, customisation, options });
  core.resume();
  const ports = await listen(stack, { core, identity, network, name, options });
  ownPorts.push(ports.control, ports.service);
  const status: ConsoleStatus = {
    name,
    version: PROGRAM_VERSION,
    interface: network.name,
    address: network.address,
    ports,
    certificateSha256: identity.certificateSha256,
    dataDir: paths.data,
    imagesDir: paths.images,
  };
  const offers = stack.use(new CustomOffers({ core, templates, secrets, settings, logger }));
  const methods = consoleMethods({
    ...{ core, status, settings, storages, identity, licences },
    ...{ templates, secrets, offers },
  });
  stack.use(await startRpcServer(paths.socket, { methods, logger }));
  const api = localApi(methods);
  stack.use(await startWebView({ settings, api, identity, host: network.address, addEvent, logger }));
  stack.defer(showConsole(core, { screen, status }));
  store.addEvent({
    kind: 'console-started',
    text: `console "${name}" listens on ${network.address}`,
    details: status,
  });
  storages.start();
  options.onReady?.(status, api);
  await aborted(signal);
  await core.close('the console is shutting down');
  store.addEvent({ kind: 'console-stopped', text: `console "${name}" stopped` });
}

function runningJob(core: ConsoleCore): string {
  const job = core.jobs().find((one) => !isEnded(one.state));
  return job === undefined ? '' : `job ${job.id} runs; wait for its end, or cancel it`;
}

/** Whoever asked for the change is to hear that it is saved before this console ends for it. */
function answeringFirst(network: HostNetwork, stack: AsyncDisposableStack): HostNetwork {
  let timer: NodeJS.Timeout | undefined;
  stack.defer(() => clearTimeout(timer));
  return {
    ...network,
    change: (wanted) => {
      clearTimeout(timer);
      timer = setTimeout(() => network.change(wanted), ANSWER_MS);
    },
  };
}

/** Stage 1 makes the folder: in the Pre-OS what is mounted belongs there. */
async function mountsDirOf(paths: ConsolePaths): Promise<string> {
  const isPreos = await stat(PREOS_RUN_DIR).then(
    () => true,
    () => false,
  );
  return join(isPreos ? PREOS_RUN_DIR : paths.data, 'mounts');
}

interface CoreParts {
  store: ConsoleStore;
  library: ImageLibrary;
  licences: Licences;
  network: ConsoleNetwork;
  customisation: CustomisationContext;
  options: ConsoleOptions;
}

function newCore({ store, library, licences, network, customisation, options }: CoreParts): ConsoleCore {
  const { parts = {}, logger } = options;
  return new ConsoleCore({
    library,
    store,
    customisation,
    places: new SessionPlaces(DATA_GROUP, options.ports?.data ?? DEFAULT_PORTS.data),
    interfaceAddress: network.address,
    startMulticast: parts.startMulticast ?? startSendSession,
    mayDeploy: (computerId, manifest) => licences.mayDeploy(computerId, imageKind(manifest)),
    ...(parts.deployLimits === undefined ? {} : { limits: parts.deployLimits }),
    ...(parts.openFile === undefined ? {} : { openFile: parts.openFile }),
    ...(parts.clock === undefined ? {} : { clock: parts.clock }),
    logger,
  });
}

interface ListenOptions {
  core: ConsoleCore;
  identity: Identity;
  network: ConsoleNetwork;
  name: string;
  options: ConsoleOptions;
}

/** Opens image service, control connection and discovery, in this order: what one announces is there. */
async function listen(stack: AsyncDisposableStack, parts: ListenOptions): Promise<ConsolePorts> {
  const { core, identity, network, name, options } = parts;
  const { logger } = options;
  const ports = { ...DEFAULT_PORTS, ...options.ports };
  const consoleVersion = PROGRAM_VERSION;
  const tokens = new ServiceTokens();
  const service = stack.use(
    await startImageService({
      identity,
      port: ports.service,
      tokens,
      images: (image) => servedImage(core.library, image),
      uploads: (jobId, holder) => core.captures.openUpload(jobId, holder),
      jobs: servedJobs(core),
      logger,
    }),
  );
  const control = stack.use(
    await startControlServer({
      ...{ identity, tokens, logger, consoleVersion },
      port: ports.control,
      servicePort: service.port,
      consoleName: name,
      acceptUnknown: options.acceptUnknown ?? false,
      onConnection: (connection) => core.addConnection(connection),
      onRefused: refusalEvents(core.store),
    }),
  );
  const startDiscovery = options.parts?.startDiscovery ?? startDiscoveryResponder;
  stack.use(
    await startDiscovery({
      ...{ logger, consoleVersion },
      consoleName: name,
      controlPort: control.port,
      certificateSha256: identity.certificateSha256,
      interfaceAddress: network.address,
      port: ports.discovery,
    }),
  );
  return { ...ports, control: control.port, service: service.port };
}

async function prepareFolders(paths: ConsolePaths, logger: Logger): Promise<void> {
  try {
    await mkdir(paths.data, { recursive: true, mode: 0o700 });
    await mkdir(paths.images, { recursive: true, mode: 0o700 });
    await mkdir(paths.templates, { recursive: true, mode: 0o700 });
    const open = (await stat(paths.data)).mode & 0o077;
    if (open !== 0)
      logger.warn({ dir: paths.data }, 'the data directory is open to other users of this computer');
  } catch (cause) {
    throw new TdError('io', `Cannot use the data directory "${paths.data}": ${errorLine(cause)}`, { cause });
  }
  if (await isConsoleAlive(paths.socket)) {
    throw new TdError(
      'refused',
      `Cannot start a console with "${paths.data}": another one is running with it; "totaldeploy tui --data ${paths.data}" shows that one, or give another --data`,
    );
  }
}

async function findNetwork(given: string | undefined, saved: string): Promise<ConsoleNetwork> {
  const routes = await readFile('/proc/net/route', 'utf8').catch(() => '');
  const wanted = given ?? (saved === '' ? undefined : saved);
  try {
    return chooseNetwork({ interfaces: networkInterfaces(), routes, wanted });
  } catch (cause) {
    if (given !== undefined || saved === '') throw cause;
    const why = `${errorLine(cause)}; the settings name it: start with another --interface, then change them`;
    throw new TdError('not-found', why, { cause });
  }
}

async function servedImage(library: ImageLibrary, name: string): Promise<ServedImage | undefined> {
  try {
    // The reader stays open for a while after the lease: chunks come one request at a time.
    await using lease = await library.lease(name);
    return lease.served;
  } catch (error) {
    if (error instanceof TdError && error.code === 'not-found') return undefined;
    throw error;
  }
}

/** What running jobs have for their targets, and for nobody else. */
function servedJobs(core: ConsoleCore): NonNullable<ImageServiceOptions['jobs']> {
  const customisationOf = (jobId: string, computerId: string) => {
    const found = core.deployments.jobOfTarget(jobId, computerId).customisation;
    if (found === undefined) throw new TdError('not-found', `job ${jobId} changes nothing`);
    return found;
  };
  return {
    customisation: (jobId, { computerId }) => {
      const computer = core.computers.get(computerId);
      if (computer === undefined) throw new TdError('refused', 'this computer is not connected');
      return customisationOf(jobId, computerId).bytesFor(computer);
    },
    file: ({ jobId, sha256, first, last }, { computerId }) =>
      customisationOf(jobId, computerId).read(sha256, { first, last }),
  };
}

/** After a console was killed: what it left is named in the log and put right. */
async function recover(store: ConsoleStore, library: ImageLibrary): Promise<void> {
  store.prune();
  for (const file of await library.removePartials()) {
    store.addEvent({
      level: 'warn',
      kind: 'partial-removed',
      text: `removed the unfinished upload "${file}"; capture it again`,
    });
  }
}

/** The same computer knocks again and again: one event a minute says enough. */
function refusalEvents(store: ConsoleStore): (address: string, reason: string) => void {
  const told = new Map<string, number>();
  return (address, reason) => {
    const nowMs = performance.now();
    for (const [key, atMs] of told) if (nowMs - atMs > 60_000) told.delete(key);
    const key = `${address} ${reason}`;
    if (told.has(key) || told.size > 1000) return;
    told.set(key, nowMs);
    const text = `refused a computer at ${address}: ${reason}`;
    store.addEvent({ level: 'warn', kind: 'computer-refused', text, details: { address } });
  };
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
