import { createHmac } from 'node:crypto';
import type { TLSSocket } from 'node:tls';

// RFC 5705 section 4: labels without a registration begin with EXPERIMENTAL.
const EXPORTER_LABEL = 'EXPERIMENTAL-totaldeploy-site-proof-1';
const EXPORTER_BYTES = 32;

/**
 * Proves knowledge of the site key on this very TLS connection: HMAC-SHA-256(site key, TLS exporter).
 * Someone in the middle has another exporter value on each side, so a proof cannot be passed on.
 */
export function siteProof(socket: TLSSocket, siteKey: Uint8Array): string {
  const exported = socket.exportKeyingMaterial(EXPORTER_BYTES, EXPORTER_LABEL, Buffer.alloc(0));
  return createHmac('sha256', siteKey).update(exported).digest('hex');
}
