import { readFile } from 'node:fs/promises';
import { get } from 'node:https';

export interface ApiAccess {
  readonly url: string;
  /** Path of the certificate of the API server in PEM. The API server creates the file when it starts. */
  readonly caFile: string;
  readonly token: string;
}

export interface ApiAnswer {
  readonly status: number;
  readonly body: string;
}

const TIMEOUT_MS = 5_000;

/**
 * Sends a GET request to the API server. Resolves with the response, also with an error status; rejects if there is no
 * response.
 */
export async function apiGet({ url, caFile, token }: ApiAccess, path: string): Promise<ApiAnswer> {
  const ca = await readFile(caFile);
  return new Promise((resolve, reject) => {
    const options = {
      ca,
      agent: false, // one connection per call: an idle one would delay the API server's own shutdown
      headers: { authorization: `Bearer ${token}` },
      signal: AbortSignal.timeout(TIMEOUT_MS),
    } as const;
    const request = get(new URL(path, url), options, (response) => {
      response.toArray().then((chunks) => {
        resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString() });
      }, reject);
    });
    request.on('error', reject);
  });
}
