import { generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';
import {
  derBitString,
  derBoolean,
  derExplicit,
  derInteger,
  derOctetString,
  derOid,
  derSequence,
  derSet,
  derTime,
  derUtf8String,
} from './der.ts';

const OID = {
  commonName: '2.5.4.3',
  basicConstraints: '2.5.29.19',
  keyUsage: '2.5.29.15',
  extendedKeyUsage: '2.5.29.37',
  serverAuth: '1.3.6.1.5.5.7.3.1',
  ecdsaWithSha256: '1.2.840.10045.4.3.2',
} as const;

// Computers booted from a bare medium often have no right clock, and trust comes from the pin, not from
// dates: RFC 5280 section 4.1.2.5 gives 9999-12-31 23:59:59 as "no well-defined expiration".
const NOT_BEFORE = new Date(Date.UTC(2000, 0, 1));
const NOT_AFTER = new Date(Date.UTC(9999, 11, 31, 23, 59, 59));
const COMMON_NAME_CHARACTERS_MAX = 64; // RFC 5280 appendix A.1, ub-common-name

export interface CertificateAndKey {
  certificateDer: Buffer;
  /** PKCS #8. */
  keyPem: string;
}

/**
 * Makes a self-signed X.509 version 3 certificate for an own ECDSA P-256 key (RFC 5280, RFC 5480).
 *
 * @param commonName for people only, cut to 64 characters; nothing is decided by it.
 */
export function makeCertificate(commonName: string): CertificateAndKey {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return {
    certificateDer: signedCertificate(commonName, publicKey, privateKey),
    keyPem: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
  };
}

/** PEM of a DER certificate (RFC 7468). */
export function certificatePem(der: Uint8Array): string {
  const lines =
    Buffer.from(der)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
}

function signedCertificate(commonName: string, publicKey: KeyObject, privateKey: KeyObject): Buffer {
  const algorithm = derSequence(derOid(OID.ecdsaWithSha256));
  const shown = Array.from(commonName).slice(0, COMMON_NAME_CHARACTERS_MAX).join('');
  const name = derSequence(derSet(derSequence(derOid(OID.commonName), derUtf8String(shown))));
  const body = derSequence(
    derExplicit(0, derInteger(Buffer.of(2))), // version 3
    derInteger(serialNumber()),
    algorithm,
    name,
    derSequence(derTime(NOT_BEFORE), derTime(NOT_AFTER)),
    name,
    publicKey.export({ type: 'spki', format: 'der' }),
    derExplicit(3, extensions()),
  );
  const signature = sign('sha256', body, { key: privateKey, dsaEncoding: 'der' });
  return derSequence(body, algorithm, derBitString(signature));
}

function serialNumber(): Buffer {
  const bytes = randomBytes(16);
  bytes[0] = (bytes[0]! & 0x7f) | 0x40; // positive and never short: RFC 5280 section 4.1.2.2
  return bytes;
}

function extensions(): Buffer {
  const critical = derBoolean(true);
  return derSequence(
    derSequence(derOid(OID.basicConstraints), critical, derOctetString(derSequence())),
    // One octet with its highest bit set: digitalSignature; seven bits unused.
    derSequence(derOid(OID.keyUsage), critical, derOctetString(Buffer.of(0x03, 0x02, 0x07, 0x80))),
    derSequence(derOid(OID.extendedKeyUsage), derOctetString(derSequence(derOid(OID.serverAuth)))),
  );
}
