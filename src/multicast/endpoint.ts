import { createSocket, type Socket } from 'node:dgram';
import { TdError } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import { HEADER_BYTES, MULTICAST_TTL_DEFAULT, SEND_SLOTS_MAX, SOCKET_BUFFER_BYTES } from './limits.ts';
import { type DataHeader, encodeDataHeader } from './packet.ts';
import type { ReplyAddress } from './sender-events.ts';

/** The sender's sockets. */
export interface SendEndpoint {
  readonly reportPort: number;
  /** Datagrams the kernel has not taken yet. */
  readonly queueLength: number;
  /** Datagrams that could not be sent. */
  readonly errors: number;
  /** Sends bytes `start` to `end` of a chunk as one fragment; the bytes are copied at once. */
  sendFragment(header: DataHeader, chunk: Buffer, range: { start: number; end: number }): void;
  /** To all receivers. */
  sendToGroup(bytes: Buffer): void;
  answer(bytes: Buffer, to: ReplyAddress): void;
  close(): Promise<void>;
}

export interface SendEndpointOptions {
  token: Buffer;
  group: string;
  port: number;
  interfaceAddress: string;
  /** 0 for any. */
  reportPort: number;
  datagramBytes: number;
  /** Routers a datagram may pass, plus one; default 1. */
  ttl?: number;
  onReport(bytes: Buffer, from: ReplyAddress): void;
  logger: Logger;
}

/** The sockets of one receiver. */
export interface ReceiveEndpoint {
  readonly errors: number;
  sendReport(bytes: Buffer): void;
  close(): Promise<void>;
}

export interface ReceiveEndpointOptions {
  group: string;
  port: number;
  interfaceAddress: string;
  reportTo: ReplyAddress;
  /** Valid as long as the caller likes. */
  onDatagram(bytes: Buffer): void;
  logger: Logger;
}

/** @throws TdError `network` when the address or the port cannot be used. */
export async function openSendEndpoint(options: SendEndpointOptions): Promise<SendEndpoint> {
  const { group, port, interfaceAddress } = options;
  const errors = { count: 0 };
  const data = createSocket({ type: 'udp4' });
  const reports = createSocket({ type: 'udp4' });
  try {
    await bind(data, { address: interfaceAddress, port: 0 });
    data.setMulticastInterface(interfaceAddress);
    data.setMulticastTTL(options.ttl ?? MULTICAST_TTL_DEFAULT);
    await connect(data, { address: group, port });
    await bind(reports, { address: '0.0.0.0', port: options.reportPort });
  } catch (cause) {
    await Promise.all([close(data), close(reports)]);
    throw new TdError(
      'network',
      `Cannot send to ${group}:${port} from ${interfaceAddress}: ${String(cause)}`,
      {
        cause,
      },
    );
  }
  enlargeBuffers(data, options.logger);
  enlargeBuffers(reports, options.logger);
  for (const socket of [data, reports]) countErrors(socket, errors, options.logger);
  reports.on('message', (bytes, from) => options.onReport(bytes, from));
  const slots = new SlotRing(options.datagramBytes);
  return {
    reportPort: reports.address().port,
    get queueLength() {
      return data.getSendQueueCount();
    },
    get errors() {
      return errors.count;
    },
    sendFragment: (header, chunk, { start, end }) => {
      const length = HEADER_BYTES + end - start;
      // A slot is only reused when the kernel has surely taken what was in it.
      if (data.getSendQueueCount() >= SEND_SLOTS_MAX - 1) {
        errors.count += 1;
        return;
      }
      const slot = slots.next();
      encodeDataHeader(slot, options.token, header);
      chunk.copy(slot, HEADER_BYTES, start, end);
      data.send(length === slot.length ? slot : slot.subarray(0, length));
    },
    sendToGroup: (bytes) => {
      data.send(bytes);
    },
    answer: (bytes, to) => {
      reports.send(bytes, to.port, to.address);
    },
    close: async () => {
      await Promise.all([close(data), close(reports)]);
    },
  };
}

/** @throws TdError `network` when the group cannot be joined. */
export async function openReceiveEndpoint(options: ReceiveEndpointOptions): Promise<ReceiveEndpoint> {
  const { group, port, interfaceAddress, reportTo } = options;
  const errors = { count: 0 };
  const data = createSocket({ type: 'udp4', reuseAddr: true });
  const reports = createSocket({ type: 'udp4' });
  try {
    // Bound to the group, so that other sessions on the same port are left out by the kernel.
    await bind(data, { address: group, port });
    data.addMembership(group, interfaceAddress);
    await bind(reports, { address: interfaceAddress, port: 0 });
    await connect(reports, reportTo);
  } catch (cause) {
    await Promise.all([close(data), close(reports)]);
    throw new TdError('network', `Cannot join ${group}:${port} on ${interfaceAddress}: ${String(cause)}`, {
      cause,
    });
  }
  enlargeBuffers(data, options.logger);
  for (const socket of [data, reports]) countErrors(socket, errors, options.logger);
  data.on('message', options.onDatagram);
  reports.on('message', options.onDatagram);
  return {
    get errors() {
      return errors.count;
    },
    sendReport: (bytes) => {
      reports.send(bytes);
    },
    close: async () => {
      await Promise.all([close(data), close(reports)]);
    },
  };
}

/** Datagrams being sent: the kernel may still read them after `send` returned. */
class SlotRing {
  readonly #slots: Buffer[] = [];
  readonly #datagramBytes: number;
  #at = 0;

  constructor(datagramBytes: number) {
    this.#datagramBytes = datagramBytes;
  }

  next(): Buffer {
    const at = this.#at;
    this.#at = (at + 1) % SEND_SLOTS_MAX;
    let slot = this.#slots[at];
    if (slot === undefined) {
      slot = Buffer.allocUnsafeSlow(this.#datagramBytes);
      this.#slots[at] = slot;
    }
    return slot;
  }
}

/** A console that is down or a full queue is no reason to stop: reports and repairs take care of it. */
function countErrors(socket: Socket, errors: { count: number }, logger: Logger): void {
  socket.on('error', (error) => {
    errors.count += 1;
    logger.debug({ error: error.message }, 'datagram not sent');
  });
}

function enlargeBuffers(socket: Socket, logger: Logger): void {
  // The kernel gives what net.core.rmem_max and wmem_max allow; less is slower, not wrong.
  try {
    socket.setRecvBufferSize(SOCKET_BUFFER_BYTES);
    socket.setSendBufferSize(SOCKET_BUFFER_BYTES);
  } catch {}
  const bytes = socket.getRecvBufferSize();
  if (bytes >= SOCKET_BUFFER_BYTES) return;
  const text =
    'small socket buffer: datagrams may be lost at high rates; raise net.core.rmem_max to 67108864';
  logger.info({ bytes, wantedBytes: SOCKET_BUFFER_BYTES }, text);
}

function bind(socket: Socket, to: ReplyAddress): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once('error', reject);
    socket.bind({ address: to.address, port: to.port }, () => {
      socket.off('error', reject);
      resolve();
    });
  });
}

function connect(socket: Socket, to: ReplyAddress): Promise<void> {
  return new Promise((resolve, reject) => {
    const done = (error?: Error) => (error == null ? resolve() : reject(error));
    socket.connect(to.port, to.address, done as () => void);
  });
}

function close(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    try {
      socket.close(() => resolve());
    } catch {
      resolve();
    }
  });
}
