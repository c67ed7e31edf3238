import { dirname } from 'node:path';
import { BrowsePage } from '../../../lib/tui/browse-page.ts';
import type { AnyHost, FieldOptions } from '../../../lib/tui/field.ts';
import { TextField } from '../../../lib/tui/text-field.ts';
import type { ConsoleApi } from '../../console-api.ts';

export interface PathFieldOptions extends FieldOptions {
  value: string;
  helpTopic: string;
  /** `new-file`: a folder is browsed for, and the file's name stays. */
  choose: 'file' | 'folder' | 'new-file';
  /** Files that end otherwise are not shown. */
  suffix?: string;
}

/** A path of the console's computer, typed or browsed for. */
export function pathField(api: ConsoleApi, options: PathFieldOptions): TextField {
  return new TextField({
    ...options,
    max: 4096,
    check: (value) => (value.startsWith('/') ? '' : 'give the whole path, beginning with /'),
    browse: async (current, host) => {
      const chosen = await browsePath(api, { ...options, path: folderOf(current, options.choose), host });
      if (chosen === undefined || options.choose !== 'new-file') return chosen;
      const name = current.split('/').at(-1) ?? '';
      return `${chosen.replace(/\/$/, '')}/${name}`;
    },
  });
}

/** Lets the person choose a file or folder; undefined when it was left. */
export async function browsePath(
  api: ConsoleApi,
  options: {
    choose: PathFieldOptions['choose'];
    path: string;
    helpTopic: string;
    suffix?: string;
    host: AnyHost;
  },
): Promise<string | undefined> {
  const { choose, path, helpTopic, suffix, host } = options;
  const isFile = choose === 'file';
  return await host.open(
    new BrowsePage({
      title: isFile ? 'Choose a file' : 'Choose a folder',
      ...{ helpTopic, path, choose: isFile ? 'file' : 'folder' },
      list: (folder) => api.call('browse', { path: folder, ...(suffix === undefined ? {} : { suffix }) }),
    }),
  );
}

function folderOf(path: string, choose: PathFieldOptions['choose']): string {
  if (!path.startsWith('/')) return '/';
  return choose === 'folder' ? path : dirname(path);
}
