import type { AnyHost } from '../../../lib/tui/field.ts';
import type { Page } from '../../../lib/tui/page.ts';
import type { ExportKind } from '../../../media/export.ts';
import type { ConsoleApi } from '../../console-api.ts';
import { mainStorage } from '../main-storage.ts';
import { CheckImagePage } from './check-image-page.ts';
import { ExportPage } from './export-page.ts';
import { LicencePage } from './licence-page.ts';
import { LogPage } from './log-page.ts';
import { pxeServerPage } from './pxe-server-page.ts';
import { networkPage, pinPage, templatePathPage, webPage } from './settings-pages.ts';
import { StickPage } from './stick-page.ts';
import { StoragePage } from './storage-page.ts';

export interface ToolEntry {
  label: string;
  /** What it is for, in a few words. */
  hint: string;
  helpTopic: string;
  open: (host: AnyHost) => Promise<void>;
}

/** Tools in the guide's order and words; what came later follows. */
export function toolEntries(api: ConsoleApi): ToolEntry[] {
  const entry =
    (label: string, hint: string, helpTopic: string) =>
    (page: () => Page | Promise<Page>): ToolEntry => ({
      ...{ label, hint, helpTopic },
      open: async (host) => {
        await host.open(await page());
      },
    });
  const status = () => api.call('status', {});
  const settings = () => api.call('settings', {});
  const exportPage = (kind: ExportKind) => async () =>
    new ExportPage(api, { kind, folder: await mainStorage(api) });
  const both = async () => ({ settings: await settings(), status: await status() });
  return [
    entry('Export Backup Agent', 'ISO that takes the image of a master', 'export')(exportPage('backup-iso')),
    entry('Export PXE Files', 'Start computers from the network', 'export')(exportPage('pxe')),
    entry('Export client Agent', 'ISO that targets are started from', 'export')(exportPage('agent-iso')),
    entry('Export console', 'ISO that starts a console', 'export')(exportPage('console-iso')),
    entry(
      'Make USB stick',
      'Write a stick, or its image file',
      'usb-stick',
    )(async () => new StickPage(api, { folder: await mainStorage(api) })),
    entry('Check image', 'Is an image whole and undamaged?', 'check-image')(() => new CheckImagePage(api)),
    entry(
      'View log',
      'What happened, live',
      'log',
    )(async () => new LogPage(api, { folder: await mainStorage(api) })),
    entry(
      'Set template path',
      'Where templates are saved',
      'template-path',
    )(async () => templatePathPage(api, await settings())),
    entry('Image storage', 'Disks and shares with images', 'image-storage')(() => new StoragePage(api)),
    entry('PXE server', 'Settings to copy', 'pxe-server')(async () => pxeServerPage(await status())),
    entry('Licences', 'What is bought and used', 'licences')(() => new LicencePage(api)),
    entry('Web page', 'Computers and jobs in a browser', 'web-page')(async () => webPage(api, await both())),
    entry(
      'Network of this console',
      'Its card and address',
      'console-network',
    )(async () => networkPage(api, await both())),
    entry(
      'PIN at targets',
      'Asked for before offered templates',
      'pin',
    )(async () => pinPage(api, await settings())),
  ];
}
