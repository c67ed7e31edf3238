import type { Identity } from '../../control/identity.ts';
import { errorLine } from '../../lib/errors.ts';
import type { Logger } from '../../lib/log.ts';
import type { ConsoleApi, ConsoleSettings } from '../console-api.ts';
import type { SettingsStore } from '../console-settings.ts';
import type { NewEvent } from '../store.ts';
import { WebRoutes } from './web-routes.ts';
import { startWebServer, type WebServer } from './web-server.ts';

export interface WebViewOptions {
  settings: Pick<SettingsStore, 'get' | 'onChange' | 'isWebPassword'>;
  api: ConsoleApi;
  identity: Identity;
  /** The management address. */
  host: string;
  addEvent(event: NewEvent): void;
  logger: Logger;
}

/**
 * Opens and closes the page for browsers as the settings say, now and after every change. What goes wrong with it is
 * in the log; the console goes on.
 */
export async function startWebView(options: WebViewOptions): Promise<AsyncDisposable> {
  const { settings, addEvent } = options;
  const routes = new WebRoutes({
    ...{ api: options.api, logger: options.logger },
    isPassword: (password) => settings.isWebPassword(password),
    onSignIn: (address, ok) =>
      addEvent({
        level: ok ? 'info' : 'warn',
        kind: ok ? 'web-sign-in' : 'web-sign-in-refused',
        text: ok
          ? `signed in to the web view from ${address}`
          : `wrong password for the web view from ${address}`,
      }),
  });
  let server: WebServer | undefined;
  let openPort = 0;
  const apply = async ({ web }: ConsoleSettings) => {
    // Whoever changed the password wants those out who knew the old one.
    routes.signEverybodyOut();
    const port = web.enabled ? web.port : 0;
    if (port === openPort) return;
    await server?.[Symbol.asyncDispose]();
    server = undefined;
    openPort = 0;
    if (port === 0) return;
    try {
      server = await startWebServer({ ...options, port, routes });
      openPort = port;
      addEvent({ kind: 'web-opened', text: `the web view is at https://${options.host}:${port}/` });
    } catch (error) {
      addEvent({ level: 'error', kind: 'web-failed', text: errorLine(error) });
    }
  };
  let applying = apply(settings.get());
  const stopListening = settings.onChange((changed) => {
    applying = applying.then(() => apply(changed));
  });
  await applying;
  return {
    [Symbol.asyncDispose]: async () => {
      stopListening();
      await applying;
      await server?.[Symbol.asyncDispose]();
    },
  };
}
