import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { errorLine, TdError } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import { imageNameSchema } from '../schema/image-manifest.ts';
import type { Identity } from './identity.ts';
import { statusOfCode } from './service-status.ts';
import type { ServiceTokens, TokenHolder } from './service-tokens.ts';
import { receiveUpload, type UploadReceiver } from './upload-receiver.ts';

const CONNECTIONS_MAX = 2000;
const HEADERS_TIMEOUT_MS = 10_000;
const KEEP_ALIVE_MS = 60_000;
// A failing disk is retried for minutes before its next block comes.
const UPLOAD_IDLE_MS_MAX = 300_000;

/** An image as the service hands it out; the console makes it from its reader. */
export interface ServedImage {
  manifestBytes: Uint8Array;
  indexBytes: Uint8Array;
  chunkCount: number;
  /** The chunk's bytes as stored, checked against their hash. */
  readStored(ordinal: number): Promise<Uint8Array>;
}

export interface FilePart {
  jobId: string;
  sha256: string;
  /** Both included. */
  first: number;
  last: number;
}

export interface ImageServiceOptions {
  identity: Identity;
  host?: string;
  /** TCP port; 0 for any. */
  port: number;
  tokens: ServiceTokens;
  /** Undefined when there is no such image. */
  images(name: string): Promise<ServedImage | undefined>;
  /** Opens a place for the upload of a job; throws a TdError to refuse it. */
  uploads(jobId: string, holder: TokenHolder): Promise<UploadReceiver>;
  /** What a job has for its targets; both throw a TdError to refuse it. */
  jobs?: {
    customisation(jobId: string, holder: TokenHolder): Uint8Array;
    /** One part of a file. */
    file(request: FilePart, holder: TokenHolder): Promise<{ bytes: Uint8Array; sizeBytes: number }>;
  };
  /** An upload without a byte for this long is broken off; default 300,000. */
  uploadIdleMsMax?: number;
  logger: Logger;
}

export interface ImageService extends AsyncDisposable {
  readonly port: number;
  close(): Promise<void>;
}

/**
 * Serves images and takes uploads over HTTPS to whoever has a token of a control connection.
 *
 * @throws TdError `network` when the port cannot be opened.
 */
export async function startImageService(options: ImageServiceOptions): Promise<ImageService> {
  const server = createServer(
    {
      cert: options.identity.certificatePem,
      key: options.identity.keyPem,
      minVersion: 'TLSv1.3',
      handshakeTimeout: HEADERS_TIMEOUT_MS,
      headersTimeout: HEADERS_TIMEOUT_MS,
      // An upload takes as long as a disk takes; its own idle limit stands in upload-receiver.ts.
      requestTimeout: 0,
      keepAliveTimeout: KEEP_ALIVE_MS,
      connectionsCheckingInterval: 5000,
    },
    (request, response) => {
      answer(request, response, options).catch((error) => {
        options.logger.error({ error: errorLine(error) }, 'image service error');
        response.destroy();
      });
    },
  );
  server.maxConnections = CONNECTIONS_MAX;
  const sockets = new Set<{ destroy(): void }>();
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.setKeepAlive(true, 30_000);
    socket.once('close', () => sockets.delete(socket));
  });
  server.on('tlsClientError', (_error, socket) => socket.destroy());
  const port = await listen(server, options);
  server.on('error', (error) => options.logger.error({ error: errorLine(error) }, 'image service error'));
  const close = async () => {
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    for (const socket of sockets) socket.destroy();
    await closed;
  };
  return { port, close, [Symbol.asyncDispose]: close };
}

function listen(server: Server, options: ImageServiceOptions): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause) =>
      reject(
        new TdError(
          'network',
          `Cannot open the image service on TCP port ${options.port}: ${errorLine(cause)}; is another console running?`,
          { cause },
        ),
      ),
    );
    server.listen({ port: options.port, ...(options.host === undefined ? {} : { host: options.host }) }, () =>
      resolve((server.address() as AddressInfo).port),
    );
  });
}

/** What a request asks for, or undefined when its path is none of the service's. */
export type ServiceRoute =
  | { kind: 'manifest'; image: string }
  | { kind: 'index'; image: string }
  | { kind: 'chunk'; image: string; ordinal: number }
  | { kind: 'customisation'; jobId: string }
  | { kind: 'file'; jobId: string; sha256: string }
  | { kind: 'upload'; jobId: string };

const JOB_ID = /^[0-9a-z-]{1,40}$/;

/** Reads a request path; every part is checked, so that no path can lead out of the image store. */
export function parseRoute(method: string, path: string): ServiceRoute | undefined {
  const parts = path.split('/').map(decodePart);
  if (parts.includes(undefined) || parts[0] !== '' || parts[1] !== 'v1') return undefined;
  const [, , area, name = '', what, ordinal = ''] = parts as string[];
  if (method === 'PUT' && area === 'uploads' && parts.length === 4) {
    return JOB_ID.test(name) ? { kind: 'upload', jobId: name } : undefined;
  }
  if (method === 'GET' && area === 'jobs' && JOB_ID.test(name)) {
    if (parts.length === 5 && what === 'customisation') return { kind: what, jobId: name };
    const isFile = parts.length === 6 && what === 'files' && /^[0-9a-f]{64}$/.test(ordinal);
    return isFile ? { kind: 'file', jobId: name, sha256: ordinal } : undefined;
  }
  if (method !== 'GET' || area !== 'images' || !imageNameSchema.safeParse(name).success) return undefined;
  if (parts.length === 5 && (what === 'manifest' || what === 'index')) return { kind: what, image: name };
  if (parts.length === 6 && what === 'chunks' && /^(0|[1-9]\d{0,9})$/.test(ordinal)) {
    return { kind: 'chunk', image: name, ordinal: Number(ordinal) };
  }
  return undefined;
}

function decodePart(part: string): string | undefined {
  try {
    return decodeURIComponent(part);
  } catch {
    return undefined;
  }
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  options: ImageServiceOptions,
): Promise<void> {
  const bearer = /^Bearer ([0-9a-f]{64})$/.exec(request.headers.authorization ?? '')?.[1];
  const holder = bearer === undefined ? undefined : options.tokens.find(bearer);
  if (holder === undefined) return deny(request, response, new TdError('untrusted', 'no valid token'));
  const route = parseRoute(request.method ?? '', request.url ?? '');
  try {
    if (route === undefined) throw new TdError('not-found', 'there is no such path');
    if (route.kind === 'upload') {
      const receiver = await options.uploads(route.jobId, holder);
      const idleMsMax = options.uploadIdleMsMax ?? UPLOAD_IDLE_MS_MAX;
      await receiveUpload(request, receiver, { idleMsMax });
      sendJson(response, 201, { ok: true });
    } else if (route.kind === 'file') {
      await sendFilePart(request, response, { ...route, holder, options });
    } else if (route.kind === 'customisation') {
      if (options.jobs === undefined) throw new TdError('not-found', 'there is no such path');
      sendBytes(request, response, options.jobs.customisation(route.jobId, holder));
    } else {
      sendBytes(request, response, await load(route, options));
    }
  } catch (error) {
    deny(request, response, error);
  }
}

async function load(
  route: Extract<ServiceRoute, { image: string }>,
  options: ImageServiceOptions,
): Promise<Uint8Array> {
  const image = await options.images(route.image);
  if (image === undefined) throw new TdError('not-found', `there is no image "${route.image}"`);
  if (route.kind !== 'chunk') return route.kind === 'index' ? image.indexBytes : image.manifestBytes;
  if (route.ordinal >= image.chunkCount) {
    throw new TdError('not-found', `image "${route.image}" has no chunk ${route.ordinal}`);
  }
  return image.readStored(route.ordinal);
}

function sendBytes(request: IncomingMessage, response: ServerResponse, bytes: Uint8Array): void {
  const wanted = request.headers.range;
  if (wanted === undefined) {
    response.writeHead(200, {
      'content-type': 'application/octet-stream',
      'content-length': bytes.length,
      'accept-ranges': 'bytes',
    });
    response.end(bytes);
    return;
  }
  const range = /^bytes=(\d{1,15})-(\d{1,15})?$/.exec(wanted);
  const first = Number(range?.[1]);
  const last = Math.min(Number(range?.[2] ?? bytes.length - 1), bytes.length - 1);
  if (range === null || first > last) {
    response.setHeader('content-range', `bytes */${bytes.length}`);
    sendJson(response, 416, { error: `the range "${wanted}" is not within ${bytes.length} bytes` });
    return;
  }
  response.writeHead(206, {
    'content-type': 'application/octet-stream',
    'content-length': last - first + 1,
    'content-range': `bytes ${first}-${last}/${bytes.length}`,
  });
  response.end(bytes.subarray(first, last + 1));
}

/** Only parts are sent: a file may be larger than fits into memory for every target at once. */
async function sendFilePart(
  request: IncomingMessage,
  response: ServerResponse,
  part: { jobId: string; sha256: string; holder: TokenHolder; options: ImageServiceOptions },
): Promise<void> {
  const { jobId, sha256, holder, options } = part;
  const range = /^bytes=(\d{1,15})-(\d{1,15})$/.exec(request.headers.range ?? '');
  if (range === null || options.jobs === undefined) {
    throw new TdError('invalid', 'ask for a part of the file: Range: bytes=FIRST-LAST');
  }
  const [first, last] = [Number(range[1]), Number(range[2])];
  const { bytes, sizeBytes } = await options.jobs.file({ jobId, sha256, first, last }, holder);
  response.writeHead(206, {
    'content-type': 'application/octet-stream',
    'content-length': bytes.length,
    'content-range': `bytes ${first}-${first + bytes.length - 1}/${sizeBytes}`,
  });
  response.end(bytes);
}

function sendJson(response: ServerResponse, status: number, body: object): void {
  const text = `${JSON.stringify(body)}\n`;
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(text),
  });
  response.end(text);
}

/** Answers with one line of why; what is still being sent is read away for a moment so that the answer arrives. */
function deny(request: IncomingMessage, response: ServerResponse, error: unknown): void {
  if (response.headersSent || request.socket.destroyed) {
    response.destroy();
    return;
  }
  const code = error instanceof TdError ? error.code : 'io';
  if (!request.complete) {
    response.setHeader('connection', 'close');
    request.resume();
    setTimeout(() => request.socket.destroy(), 5000).unref();
  }
  sendJson(response, statusOfCode(code), { error: errorLine(error).slice(0, 1000) });
}
