import { resolve } from 'node:path';
import type { ConsoleSettings } from '../console-api.ts';
import { consolePaths } from '../console-paths.ts';
import type { SettingsChange } from '../console-settings.ts';
import { rpcApi } from '../rpc-api.ts';
import type { ConsoleCommandContext } from './console-command-context.ts';
import { passwordFrom } from './password-file.ts';

export interface SettingsFlags {
  data: string;
  templates?: string;
  interface?: string;
  address?: string;
  pinFile?: string;
  web?: 'on' | 'off';
  webPort?: number;
  webPasswordFile?: string;
  json?: true;
}

/** `settings`: changes what is given, and shows all. */
export async function runSettings(flags: SettingsFlags, context: ConsoleCommandContext): Promise<void> {
  const change = await changeOf(flags);
  await using api = rpcApi(consolePaths(flags.data).socket);
  const settings =
    Object.keys(change).length === 0
      ? await api.call('settings', {})
      : await api.call('settings.change', change);
  context.out(flags.json === true ? `${JSON.stringify(settings, null, 2)}\n` : settingsText(settings));
}

async function changeOf(flags: SettingsFlags): Promise<SettingsChange> {
  const { templates, address, pinFile, web, webPort, webPasswordFile } = flags;
  const page = {
    ...(web === undefined ? {} : { enabled: web === 'on' }),
    ...(webPort === undefined ? {} : { port: webPort }),
    ...(webPasswordFile === undefined ? {} : { password: await passwordFrom(webPasswordFile) }),
  };
  return {
    ...(templates === undefined ? {} : { templatesDir: templates === '' ? '' : resolve(templates) }),
    ...(flags.interface === undefined ? {} : { interface: flags.interface }),
    ...(address === undefined ? {} : { address }),
    ...(pinFile === undefined ? {} : { customPin: await passwordFrom(pinFile) }),
    ...(Object.keys(page).length === 0 ? {} : { web: page }),
  };
}

function settingsText(settings: ConsoleSettings): string {
  const { templatesDir, address, pinSet, web } = settings;
  const rows = [
    ['Templates', templatesDir],
    ['Interface', settings.interface || 'the one with a default route'],
    ['Address', address || 'as the system has it'],
    ['PIN at targets', pinSet === true ? 'set' : 'none'],
    ['Web page', web.enabled ? `on, port ${web.port}` : 'off'],
    ['Web password', web.passwordSet ? 'set' : 'none: the page shows, and changes nothing'],
  ];
  return rows.map(([label = '', value = '']) => `${label.padEnd(16)}${value}\n`).join('');
}
