import { ChildProgram } from './child-process.ts';
import type { TestNetwork } from './network.ts';

/** A real web server (busybox) beside the TFTP server: Pre-OS loaders fetch their payload from it much faster. */
export class HttpServer implements AsyncDisposable {
  readonly #child: ChildProgram;

  private constructor(child: ChildProgram) {
    this.#child = child;
  }

  /** @param rootDir what is served on port 80. */
  static async start(
    network: TestNetwork,
    options: { rootDir: string; logPath: string },
  ): Promise<HttpServer> {
    const args = ['httpd', '-f', '-p', `${network.host}:80`, '-h', options.rootDir];
    const { namespace } = network;
    return new HttpServer(await ChildProgram.start('busybox', args, { namespace, logPath: options.logPath }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#child.stop();
  }
}
