import { join } from 'node:path';

/** Where a console keeps what it must not lose. */
export interface ConsolePaths {
  data: string;
  identity: string;
  images: string;
  templates: string;
  database: string;
  /** Unix socket the commands talk to. */
  socket: string;
}

/** @param images a folder of its own for images, e.g. on a bigger disk. */
export function consolePaths(dataDir: string, images?: string): ConsolePaths {
  return {
    data: dataDir,
    identity: join(dataDir, 'identity'),
    images: images ?? join(dataDir, 'images'),
    templates: join(dataDir, 'templates'),
    database: join(dataDir, 'console.db'),
    socket: join(dataDir, 'console.sock'),
  };
}
