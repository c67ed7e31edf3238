import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/log.ts';
import type { ImageManifest } from '../schema/image-manifest.ts';
import type { ComputerRegistry } from './computers.ts';
import type { DeployLimits, DeployRequest } from './deploy-request.ts';
import type { SessionPlaces, StartMulticast } from './deploy-session.ts';
import type { ImageLibrary } from './image-library.ts';
import type { CustomisationContext } from './job-customisation.ts';
import type { ConsoleStore } from './store.ts';

/** What deployments of a console work with. */
export interface DeployContext {
  computers: ComputerRegistry;
  library: ImageLibrary;
  store: ConsoleStore;
  places: SessionPlaces;
  interfaceAddress: string;
  startMulticast: StartMulticast;
  limits?: Partial<DeployLimits>;
  clock?: Clock;
  logger: Logger;
  /** Asked for each target that says yes in pre-flight: empty, or why it may not be written to. */
  mayDeploy?(computerId: string, image: ImageManifest): string;
  /** What is needed to customise targets. */
  customisation: CustomisationContext;
  /** Sends wake-up packets; the ids of the computers that were named. */
  wake?(targets: DeployRequest['targets']): Promise<string[]>;
}
