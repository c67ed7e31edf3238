import type { WindowsSystem } from './windows-system.ts';

const SECRET_MODE = 0o600;
const BYTES_MAX = 16 * 1024 * 1024;

/** Below the top of the volume; without data it is to go. */
export interface SecretFile {
  path: string;
  data: Buffer | undefined;
}

/** Writes all files or none, and remembers how to take them back. */
export async function writeSecretFiles(
  { root, undo }: Pick<WindowsSystem, 'root' | 'undo'>,
  files: readonly SecretFile[],
): Promise<void> {
  const old = new Map<string, Buffer | undefined>();
  const put = (path: string, data: Buffer | undefined) =>
    data === undefined ? root.remove(path) : root.write(path, data, { mode: SECRET_MODE });
  const takeBack = async () => {
    for (const [path, data] of old) await put(path, data);
  };
  try {
    for (const { path, data } of files) {
      const isThere = await root.exists(path);
      old.set(path, isThere ? await root.read(path, { bytesMax: BYTES_MAX }) : undefined);
      await put(path, data);
    }
  } catch (error) {
    await takeBack();
    throw error;
  }
  undo.push(takeBack);
}
