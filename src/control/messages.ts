import { z } from 'zod';
import { imageNameSchema } from '../schema/image-manifest.ts';
import { afterSchema, diskRuleSchema, stepSchema, targetReportSchema } from '../schema/job.ts';
import { machineSchema } from '../schema/machine.ts';

/** Raised when a message changes in a way the other side cannot ignore. */
export const PROTOCOL_VERSION = 1;

const jobId = z.string().regex(/^[0-9a-z-]{1,40}$/);
const line = z.string().max(1000);
const hex = (bytes: number) => z.string().regex(new RegExp(`^[0-9a-f]{${bytes * 2}}$`));
const count = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);

/** First frame of every connection, from the agent, the backup agent or a command-line view. */
export const helloSchema = z.strictObject({
  type: z.literal('hello'),
  protocol: z.number().int(),
  role: z.enum(['agent', 'backup']),
  version: z.string().max(40),
  /** HMAC-SHA-256(site key, TLS exporter); empty when the medium carried no site image. */
  proof: z.union([hex(32), z.literal('')]),
  machine: machineSchema,
  /** The job that goes on here since an earlier connection: the console follows it in place of asking anew. */
  job: z.strictObject({ jobId, step: stepSchema, doneBytes: count, totalBytes: count }).exactOptional(),
});

/** From a computer to the console. */
export const agentMessageSchema = z.discriminatedUnion('type', [
  helloSchema,
  z.strictObject({ type: z.literal('pong') }),
  z.strictObject({
    type: z.literal('preflight-result'),
    jobId,
    ok: z.boolean(),
    /** Why not, and what to do. */
    reason: line,
    /** The disk chosen by the rule: `name model serial size` for people. */
    disk: line,
  }),
  z.strictObject({ type: z.literal('state'), jobId, step: stepSchema, detail: line }),
  z.strictObject({
    type: z.literal('progress'),
    jobId,
    doneBytes: count,
    totalBytes: count,
    bytesPerSecond: z.number().min(0),
  }),
  z.strictObject({ type: z.literal('report'), jobId, report: targetReportSchema }),
  z.strictObject({ type: z.literal('log'), level: z.enum(['debug', 'info', 'warn', 'error']), text: line }),
  /** A backup agent asks to store an image. */
  z.strictObject({
    type: z.literal('capture-request'),
    name: imageNameSchema,
    /** An upper bound of what will be sent. */
    bytesMax: count,
  }),
  z.strictObject({ type: z.literal('capture-end'), jobId, ok: z.boolean(), error: line }),
  /** A person at a waiting computer picked one of its offers and confirmed the disk. */
  z.strictObject({
    type: z.literal('choose-offer'),
    template: imageNameSchema,
    /** Empty where none is asked for. */
    pin: z.string().max(64),
  }),
]);

/** What a disk must be to take an image, and the rule that chooses it. */
const diskNeeds = {
  diskRule: diskRuleSchema,
  /** The end of the last used byte: a target disk must be at least this big. */
  sizeBytesMin: count,
  logicalSectorBytes: z.number().int(),
  table: z.enum(['gpt', 'mbr', 'none']),
  /** Firmware the image was taken on, for a warning. */
  firmware: z.enum(['bios', 'uefi', 'unknown']),
};

/** A template that a person at a waiting computer may start there. */
export const offerSchema = z.strictObject({
  name: imageNameSchema,
  comment: z.string().max(500),
  image: line,
  needsPin: z.boolean(),
  ...diskNeeds,
});

export const OFFERS_MAX = 200;

/** Everything a target needs to receive one image. */
export const deploymentSchema = z.strictObject({
  jobId,
  image: z.strictObject({
    imageId: hex(16),
    name: z.string().max(120),
    /** Merkle root over the chunk hashes. */
    root: hex(32),
    chunkCount: count,
    /** Path of manifest, index and chunks below the image service, e.g. `/v1/images/NAME`. */
    path: z.string().max(400),
  }),
  session: z.strictObject({
    /** Names the session in every datagram. */
    token: hex(8),
    /** This target's number in the session. */
    receiverId: z.number().int().min(1).max(0xffff_fffe),
    group: z.ipv4(),
    port: z.number().int().min(1).max(65_535),
    /** Where reports go; the host is the console's as seen on the control connection. */
    reportPort: z.number().int().min(1).max(65_535),
    /** AES-256-GCM key of the session, or empty when the image is encrypted itself. */
    key: z.union([hex(32), z.literal('')]),
  }),
  /** Rule that chose the disk in pre-flight. */
  diskRule: diskRuleSchema,
  after: afterSchema,
  /** Which disk of the image, from 0; absent for the first one. */
  disk: z.number().int().min(0).max(15).exactOptional(),
  /** The partitions that are written beside the boot areas; absent for all. */
  partitions: z.array(z.number().int().min(1).max(256)).min(1).max(256).exactOptional(),
  /** What this computer is to become stands at `PATH/customisation`, its files at `PATH/files/SHA256`; absent for nothing. */
  customisation: z.strictObject({ path: z.string().max(400) }).exactOptional(),
});

/** From the console to a computer. */
export const consoleMessageSchema = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('welcome'),
    protocol: z.number().int(),
    consoleName: z.string().max(256),
    consoleVersion: z.string().max(40),
    /** Bearer token for the image service on this connection's host. */
    serviceToken: hex(32),
    servicePort: z.number().int().min(1).max(65_535),
  }),
  z.strictObject({ type: z.literal('refuse'), reason: line }),
  z.strictObject({ type: z.literal('ping') }),
  /** Asks every target whether it can, before any byte is written anywhere. */
  z.strictObject({ type: z.literal('preflight'), jobId, ...diskNeeds }),
  z.strictObject({ type: z.literal('deploy'), deployment: deploymentSchema }),
  z.strictObject({ type: z.literal('cancel'), jobId, reason: line }),
  /** Obeyed only while no job runs. */
  z.strictObject({ type: z.literal('power'), action: z.enum(['shutdown', 'restart']) }),
  /** All offers there are now; replaces earlier ones. */
  z.strictObject({ type: z.literal('offers'), offers: z.array(offerSchema).max(OFFERS_MAX) }),
  /** Answers `choose-offer`: the job, or why not. */
  z.strictObject({
    type: z.literal('offer-answer'),
    template: imageNameSchema,
    jobId: z.union([jobId, z.literal('')]),
    reason: line,
  }),
  z.strictObject({
    type: z.literal('capture-accept'),
    jobId,
    /** Where the image is sent (HTTPS PUT, chunked), e.g. `/v1/uploads/JOB`. */
    path: z.string().max(400),
  }),
  z.strictObject({ type: z.literal('capture-refuse'), reason: line }),
]);

export type Hello = z.infer<typeof helloSchema>;
export type AgentMessage = z.infer<typeof agentMessageSchema>;
export type ConsoleMessage = z.infer<typeof consoleMessageSchema>;
export type Offer = z.infer<typeof offerSchema>;
export type Deployment = z.infer<typeof deploymentSchema>;
