import type { ChunkLayout } from './chunk-layout.ts';
import type { Heartbeat, Phase, Verdict } from './packet.ts';
import type { RateOptions } from './rate.ts';
import type { Report } from './report-packet.ts';
import type { Standing } from './roster.ts';

export interface SenderConfig {
  layout: ChunkLayout;
  sealed: boolean;
  receivers: readonly { receiverId: number; name: string }[];
  rate?: RateOptions;
  /** Default 64 MiB. */
  cacheBytesMax?: number;
  /** Default 1: how fine the pace is cut, in milliseconds. */
  paceStepMs?: number;
}

/** Where an answer goes: whatever the driver needs to send one. */
export interface ReplyAddress {
  address: string;
  port: number;
}

export type SenderEvent =
  | { kind: 'tick' }
  | { kind: 'report'; report: Report; replyTo: ReplyAddress }
  | { kind: 'chunk-ready'; ordinal: number }
  | { kind: 'chunk-failed'; ordinal: number; reason: string }
  | { kind: 'add-receiver'; receiverId: number; name: string }
  | { kind: 'drop-receiver'; receiverId: number; reason: string }
  | { kind: 'bad-datagram' }
  | { kind: 'stop'; reason: string };

export interface ReceiverNotice {
  kind:
    | 'receiver-done'
    | 'receiver-silent'
    | 'receiver-dropped'
    | 'receiver-back'
    | 'receiver-demoted'
    | 'receiver-over-tcp';
  receiverId: number;
  detail: string;
}

export type SenderAction =
  /** Fragments `first` to `first + count - 1` as datagrams numbered from `sequence` on. */
  | { kind: 'send'; ordinal: number; first: number; count: number; sequence: number; pass: number }
  | { kind: 'heartbeat'; heartbeat: Heartbeat }
  | { kind: 'answer'; report: Report; verdict: Verdict; beat: number; replyTo: ReplyAddress }
  /** Answered by `chunk-ready` or `chunk-failed`; the bytes are kept until `release`. */
  | { kind: 'read'; ordinal: number }
  | { kind: 'release'; ordinal: number }
  | { kind: 'notice'; notice: ReceiverNotice }
  | { kind: 'end' }
  | { kind: 'fail'; reason: string };

export interface ReceiverView {
  receiverId: number;
  name: string;
  standing: Standing;
  reason: string;
  haveChunks: number;
  missingChunks: number;
  /** Part of the datagrams lost on the way, 0 to 1. */
  loss: number;
  backlogChunks: number;
  overTcp: boolean;
  demoted: boolean;
  lastSeenMs: number;
}

export interface SendState {
  phase: Phase;
  pass: number;
  position: number;
  chunkCount: number;
  rateBytesPerSecond: number;
  datagrams: number;
  bytes: number;
  repairDatagrams: number;
  reports: number;
  badDatagrams: number;
  staleReports: number;
  cacheBytes: number;
  receivers: ReceiverView[];
}
