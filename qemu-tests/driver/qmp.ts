import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { z } from 'zod';
import { TdError } from '../../src/lib/errors.ts';

const LINE_BYTES_MAX = 16 * 1024 * 1024;
const COMMAND_TIMEOUT_MS = 30_000;

const qmpMessageSchema = z.union([
  z.object({ QMP: z.object({}).loose() }),
  z.object({ event: z.string(), data: z.record(z.string(), z.unknown()).optional() }),
  z.object({ error: z.object({ class: z.string(), desc: z.string() }), id: z.number().optional() }),
  z.object({ return: z.unknown(), id: z.number() }),
]);

export type QmpMessage = z.infer<typeof qmpMessageSchema>;

export interface QmpEvent {
  event: string;
  data: Record<string, unknown>;
}

/** Cuts the byte stream of QEMU's monitor protocol into its messages, one JSON object a line. */
export class QmpDecoder {
  #rest = '';

  /** @throws TdError `invalid` on anything that is no QMP message. */
  push(text: string): QmpMessage[] {
    this.#rest += text;
    const lines = this.#rest.split('\n');
    this.#rest = lines.pop()!;
    if (this.#rest.length > LINE_BYTES_MAX)
      throw new TdError('invalid', 'Cannot read QMP: a line never ends');
    return lines.filter((line) => line.trim() !== '').map(decodeLine);
  }
}

function decodeLine(line: string): QmpMessage {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (cause) {
    throw new TdError('invalid', `Cannot read QMP: no JSON in ${JSON.stringify(line.slice(0, 80))}`, {
      cause,
    });
  }
  const parsed = qmpMessageSchema.safeParse(value);
  if (!parsed.success) throw new TdError('invalid', `Cannot read QMP: ${line.slice(0, 80)} is no message`);
  return parsed.data;
}

interface Waiting {
  resolve(value: unknown): void;
  reject(error: Error): void;
}

/** A connection to one QEMU's monitor. */
export class QmpClient {
  readonly events: QmpEvent[] = [];
  readonly #socket: Socket;
  readonly #waiting = new Map<number, Waiting>();
  #lastId = 0;

  private constructor(socket: Socket) {
    this.#socket = socket;
    const decoder = new QmpDecoder();
    socket.setEncoding('utf8');
    socket.on('data', (text: string) => {
      for (const message of decoder.push(text)) this.#take(message);
    });
    const fail = () => this.#failAll(new TdError('network', 'The virtual machine ended'));
    socket.on('error', fail);
    socket.on('close', fail);
  }

  /** @throws the socket's error when nothing listens there yet. */
  static async connect(path: string): Promise<QmpClient> {
    const socket = connect(path);
    await once(socket, 'connect');
    const client = new QmpClient(socket);
    await client.execute('qmp_capabilities');
    return client;
  }

  /** @throws TdError `tool-failed` with QEMU's words, `timeout`, or `network` when the machine is gone. */
  async execute(command: string, args: Record<string, unknown> = {}): Promise<unknown> {
    if (this.#socket.destroyed) throw new TdError('network', `Cannot ${command}: the virtual machine ended`);
    this.#lastId += 1;
    const id = this.#lastId;
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    this.#waiting.set(id, { resolve, reject });
    const timer = setTimeout(
      () => reject(new TdError('timeout', `QEMU did not answer "${command}" in ${COMMAND_TIMEOUT_MS} ms`)),
      COMMAND_TIMEOUT_MS,
    );
    this.#socket.write(`${JSON.stringify({ execute: command, arguments: args, id })}\n`);
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(id);
    }
  }

  close(): void {
    this.#socket.destroy();
  }

  #take(message: QmpMessage): void {
    if ('event' in message) {
      this.events.push({ event: message.event, data: message.data ?? {} });
    } else if ('error' in message) {
      const error = new TdError('tool-failed', `QEMU says: ${message.error.desc}`);
      if (message.id === undefined) this.#failAll(error);
      else this.#waiting.get(message.id)?.reject(error);
    } else if ('return' in message) {
      this.#waiting.get(message.id)?.resolve(message.return);
    }
  }

  #failAll(error: Error): void {
    for (const waiting of this.#waiting.values()) waiting.reject(error);
  }
}
