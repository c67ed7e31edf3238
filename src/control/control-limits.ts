export interface ControlLimits {
  /** Computers connected at a time. */
  connectionsMax: number;
  /** Connections that have not said hello yet. */
  pendingMax: number;
  /** From the accepted TCP connection to the end of its hello. */
  helloTimeoutMs: number;
  pingIntervalMs: number;
  /** Nothing heard for this long: the connection is given up. */
  silenceMsMax: number;
  /** Bytes waiting to be sent before a connection is given up as stuck. */
  backlogBytesMax: number;
  /** Wrong frames a minute before a connection is closed. */
  badFramesMax: number;
  /** Frames a second before reading pauses. */
  framesPerSecondMax: number;
}

export const CONTROL_LIMITS: ControlLimits = {
  connectionsMax: 2000,
  pendingMax: 256,
  helloTimeoutMs: 10_000,
  pingIntervalMs: 5000,
  silenceMsMax: 20_000,
  backlogBytesMax: 8 * 1024 * 1024,
  badFramesMax: 10,
  framesPerSecondMax: 500,
};
