import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { readCertificateFiles } from '../../src/certs/files.ts';
import { readKubeconfig } from '../../src/kube/kubeconfig.ts';
import { OperatorError } from '../../src/lib/errors.ts';
import { writeYaml } from '../../src/lib/yaml.ts';
import { admissionPolicy } from '../../src/policy/admission-policy.ts';
import { matchConditions } from '../../src/policy/cel.ts';
import { readPolicyFile } from '../../src/policy/file.ts';
import { aCertificateSet, certificateOptions, ISSUED_AT } from '../support/builders/a-certificate-set.ts';
import { readReadme } from '../support/readme.ts';
import { anyHostileJson, damaged } from './junk.ts';
import type { Target } from './target.ts';

/** Creates a temporary folder for the files of a fuzz target, and removes it on close. */
async function inFolder<Input>(make: (folder: string) => Promise<Target<Input>>): Promise<Target<Input>> {
  const folder = await mkdtemp(join(tmpdir(), 'fuzz-'));
  return { ...(await make(folder)), close: () => rm(folder, { recursive: true }) };
}

const aLine = (problem: string): void => {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what must not be there
  assert.doesNotMatch(problem, /[\u0000-\u001f\u007f-\u009f]/);
  assert.ok(problem.length < 2_000, `a problem of ${problem.length} characters`);
};

/**
 * Checks that a policy file is either accepted and can be printed in all forms, or refused with errors of one line
 * each.
 */
export const policyFileTarget = (): Promise<Target<string>> =>
  inFolder(async (folder) => {
    const [, example = ''] = /## Policy.*?```yaml\n(.*?)```/s.exec(await readReadme()) ?? [];
    const everything = `${example}
  - name: rest
    match: {namespaces: [a, "b-*"], jobName: "*", labels: {a/b: c}}
    set: {backoffLimit: 2147483647, restartPolicy: Keep}`;
    const file = join(folder, 'policy.yaml');
    return {
      inputs: fc.oneof(
        damaged(example, everything),
        anyHostileJson,
        anyHostileJson.map((json) => `{"rules": ${json}}`),
      ),
      async check(text) {
        await writeFile(file, text);
        const read = readPolicyFile(file);
        if ('value' in read) {
          matchConditions(read.value);
          writeYaml(admissionPolicy(read.value, 'v1'));
          return;
        }
        assert.ok(read.problems.length > 0 && read.problems.length <= 51);
        for (const problem of read.problems) aLine(problem);
      },
    };
  });

const KUBECONFIG = (folder: string) => `apiVersion: v1
kind: Config
current-context: here
clusters:
- name: here
  cluster: {server: "https://127.0.0.1:6443", certificate-authority: ${folder}/ca.pem}
contexts:
- name: here
  context: {cluster: here, user: me, namespace: default}
users:
- name: me
  user: {token: abc, client-certificate: ${folder}/cert.pem, client-key: ${folder}/key.pem}
`;

/** Checks that a kubeconfig is accepted or gets errors of one line each. */
export const kubeconfigTarget = (): Promise<Target<string>> =>
  inFolder(async (folder) => {
    const whole = KUBECONFIG(folder);
    const file = join(folder, 'kubeconfig');
    return {
      inputs: fc.oneof(damaged(whole), anyHostileJson),
      async check(text) {
        await writeFile(file, text);
        const read = readKubeconfig(file);
        if ('problems' in read) for (const problem of read.problems) aLine(problem);
      },
    };
  });

/**
 * Checks that the files of `--webhook-cert-path` are either served or refused with an error that names one of the
 * files.
 */
export const certificateFilesTarget = (): Promise<Target<{ cert: string; key: string; ca: string }>> =>
  inFolder(async (folder) => {
    const [set, other] = [await aCertificateSet(), await aCertificateSet({ nth: 2 })];
    const certificates = [set.serving.certificate, `${set.serving.certificate}${set.ca.certificate}`];
    const now = new Date(ISSUED_AT.getTime() + 86_400_000);
    return {
      inputs: fc.record({
        cert: damaged(...certificates),
        key: damaged(set.serving.privateKey, other.serving.privateKey),
        ca: damaged(set.ca.certificate, `${other.ca.certificate}${set.ca.certificate}`),
      }),
      async check({ cert, key, ca }) {
        const files = { 'cert.pem': cert, 'key.pem': key, 'ca.pem': ca };
        for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
        try {
          await readCertificateFiles(folder, certificateOptions().names, now);
        } catch (error) {
          if (!(error instanceof OperatorError)) throw error;
          assert.equal(error.code, 'CERTIFICATE_FILES_INVALID');
          assert.doesNotMatch(error.message, /PRIVATE KEY/);
        }
      },
    };
  });
