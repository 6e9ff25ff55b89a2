import { spawn } from 'node:child_process';
import { isatty } from 'node:tty';
import type { User } from '@kubernetes/client-node';
import { asObject, type JsonObject } from '../lib/json.ts';
import { oneLine } from '../lib/text.ts';
import { timings } from '../lib/timings.ts';

/*
 * Runs the exec plugin of a kubeconfig user as kubectl does (client-go, plugin/pkg/client/auth/exec). The ExecAuth of
 * client-node keeps a credential without an expiry until the process ends, sets no KUBERNETES_EXEC_INFO and has no time limit:
 * https://github.com/kubernetes-client/javascript/issues/228
 */

export const API_VERSIONS = ['client.authentication.k8s.io/v1', 'client.authentication.k8s.io/v1beta1'] as const;
export const INTERACTIVE_MODES = ['Never', 'IfAvailable', 'Always'] as const;

/** `users[].user.exec` of a kubeconfig, checked. */
export interface ExecPlugin {
  /** The path of the program that was found. */
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly apiVersion: (typeof API_VERSIONS)[number];
  readonly interactiveMode: (typeof INTERACTIVE_MODES)[number];
  /** The cluster as `KUBERNETES_EXEC_INFO` has it, if the kubeconfig asks for it. */
  readonly cluster: object | undefined;
}

/** Certificate and key are PEM in base64. */
export type Credential = Pick<User, 'token' | 'certData' | 'keyData'>;

export interface IssuedCredential extends Credential {
  /** In milliseconds since 1970; infinite if the plugin names no expiry. */
  readonly expiresAtMs: number;
}

/**
 * Runs the plugin and returns the credential that it issues. No error quotes the output of the plugin.
 *
 * @param stop ends the plugin.
 */
export async function issueCredential(plugin: ExecPlugin, stop: AbortSignal): Promise<IssuedCredential> {
  const output = await run(plugin, stop);
  return readOutput(output, plugin.apiVersion, (problem) => failure(plugin, problem));
}

const failure = ({ command }: ExecPlugin, problem: string): Error =>
  new Error(`exec plugin ${JSON.stringify(command)}: ${problem}`);

/** Runs the plugin and resolves with its stdout. Its stderr goes to the stderr of this process, as a login has to ask there. */
function run(plugin: ExecPlugin, stop: AbortSignal): Promise<string> {
  const { command, args, env, apiVersion, interactiveMode, cluster } = plugin;
  const interactive = interactiveMode !== 'Never' && isatty(0);
  if (interactiveMode === 'Always' && !interactive) {
    return Promise.reject(failure(plugin, 'interactiveMode is Always, but stdin is not a terminal'));
  }
  // No event follows for a signal that is aborted already.
  if (stop.aborted) return Promise.reject(failure(plugin, 'stopped'));
  const info = { kind: 'ExecCredential', apiVersion, spec: { cluster, interactive } };
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const timeoutMs = interactive ? timings.execPlugin.interactiveMs : timings.execPlugin.timeoutMs;
  const child = spawn(command, args, {
    env: { ...process.env, ...env, KUBERNETES_EXEC_INFO: JSON.stringify(info) },
    stdio: [interactive ? 'inherit' : 'ignore', 'pipe', 'inherit'],
  });
  const end = () => {
    // A program that hangs can also ignore SIGTERM. A child process of it can keep the pipe open after its exit.
    child.kill('SIGKILL');
    child.stdout.destroy();
    reject(failure(plugin, stop.aborted ? 'stopped' : `no answer within ${timeoutMs / 1_000} s`));
  };
  AbortSignal.any([stop, AbortSignal.timeout(timeoutMs)]).addEventListener('abort', end, { once: true });
  let stdout = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.on('error', (error) => reject(failure(plugin, oneLine(error.message))));
  child.on('close', (code, signal) => {
    if (code === 0) resolve(stdout);
    else reject(failure(plugin, `failed with exit code ${code ?? signal}; its stderr has the reason`));
  });
  return promise;
}

/** https://kubernetes.io/docs/reference/config-api/client-authentication.v1/ */
function readOutput(stdout: string, wanted: string, fail: (problem: string) => Error): IssuedCredential {
  const { apiVersion, kind, status } = parseObject(stdout);
  if (kind !== 'ExecCredential' || apiVersion !== wanted) {
    throw fail(`invalid output: must be a JSON object of kind ExecCredential and apiVersion ${wanted}`);
  }
  const { token, clientCertificateData: cert, clientKeyData: key, expirationTimestamp: expiry } = asObject(status);
  const isPair = isText(cert) && isText(key);
  if (!isText(token) && !isPair) {
    throw fail('invalid output: status must have a token, or clientCertificateData and clientKeyData');
  }
  const expiresAtMs = isText(expiry) ? Date.parse(expiry) : Number.POSITIVE_INFINITY;
  if (Number.isNaN(expiresAtMs)) throw fail('invalid output: status.expirationTimestamp must be an RFC 3339 time');
  return {
    ...(isText(token) && { token }),
    ...(isPair && { certData: base64(cert), keyData: base64(key) }),
    expiresAtMs,
  };
}

function parseObject(text: string): JsonObject {
  try {
    return asObject(JSON.parse(text));
  } catch {
    return {};
  }
}

const isText = (value: unknown): value is string => typeof value === 'string' && value !== '';
const base64 = (text: string): string => Buffer.from(text).toString('base64');
