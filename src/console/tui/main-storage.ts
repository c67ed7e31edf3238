import type { ConsoleApi } from '../console-api.ts';

/** The folder where new images go: what is written beside them outlives a console that runs from memory. */
export async function mainStorage(api: ConsoleApi): Promise<string> {
  const place = (await api.call('storage.list', {})).find((one) => one.isDefault);
  return place === undefined || place.path === '' ? (await api.call('status', {})).imagesDir : place.path;
}
