import { spawn } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { isIP } from 'node:net';
import { checkServerIdentity, connect } from 'node:tls';
import { parseCertificate } from '../../certs/x509.ts';
import { messageOf } from '../../lib/errors.ts';
import { type Pem, splitCertificates } from '../../lib/pem.ts';
import type { ProbeResult } from './observations.ts';

/** Where to call. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

const PROBE_TIMEOUT_MS = 5_000;
const LOOKUP_TIMEOUT_MS = 2_000;
/** No exit code of Node.js itself. */
const UNKNOWN = 44;
const LOOKUP = `process.getBuiltinModule('node:dns').lookup(process.argv[1], (error) => process.exit(error ? ${UNKNOWN} : 0))`;

/**
 * Why the name leads nowhere from here; `undefined` where it leads somewhere. It is looked up by a process of its own:
 * a lookup cannot be called off, and one for which no name server answers would hold up the end of this process.
 */
export async function resolutionProblem(host: string): Promise<string | undefined> {
  if (isIP(host) !== 0) return undefined;
  // What else Node.js is told to load there would take of the time.
  const env = { ...process.env, NODE_OPTIONS: '' };
  const options = { env, stdio: 'ignore', timeout: LOOKUP_TIMEOUT_MS, killSignal: 'SIGKILL' } as const;
  try {
    const child = spawn(process.execPath, ['-e', LOOKUP, '--', host], options);
    const [exitCode] = await once(child, 'exit');
    if (exitCode === 0) return undefined;
    if (exitCode === UNKNOWN) return 'does not resolve from here';
    if (child.killed) return `was not resolved within ${LOOKUP_TIMEOUT_MS / 1000} s`;
    return `could not be looked up: ${exitCode ?? child.signalCode}`;
  } catch (error) {
    return `could not be looked up: ${messageOf(error)}`;
  }
}

/**
 * Asks the endpoint for its certificate and verifies that as the API server does: for the name `serverName`, with the
 * bundle and nothing else.
 */
export async function probeEndpoint(address: Address, serverName: string, bundle: Pem): Promise<ProbeResult> {
  const shown = address.host.includes(':') ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`;
  const socket = connect({
    ...address,
    // An address is not asked for by SNI (RFC 6066 §3).
    ...(isIP(serverName) === 0 ? { servername: serverName } : {}),
    ca: splitCertificates(bundle).filter((pem) => parseCertificate(pem) !== undefined),
    checkServerIdentity: (_host, certificate) => checkServerIdentity(serverName, certificate),
    minVersion: 'TLSv1.2',
    // As Go does: a certificate that is itself in the bundle is trusted, whoever has signed it.
    allowPartialTrustChain: true,
  });
  // A certificate that is refused is to be shown as well: it is there before the verification cuts the connection off.
  let certificate = '' as Pem;
  socket.prependListener('secure', () => {
    const { raw } = socket.getPeerCertificate(true);
    if (raw) certificate = new X509Certificate(raw).toString() as Pem;
  });
  // What comes after it was given up is of no interest.
  socket.on('error', () => {});
  try {
    await once(socket, 'secureConnect', { signal: AbortSignal.timeout(PROBE_TIMEOUT_MS) });
    return { outcome: 'answered', address: shown, certificate, problem: undefined };
  } catch (error) {
    if (certificate !== '') return { outcome: 'answered', address: shown, certificate, problem: text(error) };
    const isLate = error instanceof Error && error.name === 'AbortError';
    return {
      outcome: 'failed',
      address: shown,
      problem: isLate ? `no answer in ${PROBE_TIMEOUT_MS / 1000} s` : text(error),
    };
  } finally {
    socket.destroy();
  }
}

/** An error that has tried several addresses has no text of its own. */
function text(error: unknown): string {
  // So TLS 1.2 answers who shows no certificate, and whoever has no cipher suite in common.
  if ((error as NodeJS.ErrnoException).code === 'ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE') {
    return 'it ends the handshake: it may ask for a client certificate, which is not had here';
  }
  return messageOf(error) || ((error as NodeJS.ErrnoException).code ?? 'failed');
}
