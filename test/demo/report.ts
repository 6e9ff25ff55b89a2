import { X509Certificate } from 'node:crypto';
import { styleText } from 'node:util';
import type { V1Job, V1MutatingWebhookConfiguration, V1Secret } from '@kubernetes/client-node';

/** A statement that the demo checks, and whether it holds. */
export interface Expectation {
  readonly text: string;
  readonly holds: boolean;
}

const fromBase64 = (value: string | undefined): string => Buffer.from(value ?? '', 'base64').toString();
const day = (date: Date): string => date.toISOString().slice(0, 10);
const daysLeft = (date: Date): string => `${Math.round((date.getTime() - Date.now()) / 86_400_000)} days left`;

export const title = (text: string): string => `\n${styleText('bold', text)}`;

export function describeChain(secret: V1Secret): string[] {
  const certificates = { 'certificate authority': 'ca.crt', 'serving certificate': 'tls.crt' };
  return Object.entries(certificates).flatMap(([name, key]) => {
    const certificate = new X509Certificate(fromBase64(secret.data?.[key]));
    return [
      `  ${name}  ${certificate.subject.split('\n').reverse().join(', ')}`,
      `    valid ${day(certificate.validFromDate)} to ${day(certificate.validToDate)} (${daysLeft(certificate.validToDate)})`,
      `    sha256 ${certificate.fingerprint256}`,
      ...(certificate.subjectAltName ? [`    for ${certificate.subjectAltName.replaceAll('DNS:', '')}`] : []),
    ];
  });
}

export function describeRegistration({ metadata, webhooks }: V1MutatingWebhookConfiguration): string[] {
  const [webhook] = webhooks ?? [];
  const service = webhook?.clientConfig.service;
  return [
    `  ${metadata?.name} / ${webhook?.name}`,
    `    calls https://${service?.name}.${service?.namespace}.svc:${service?.port}${service?.path}`,
    `    trusts sha256 ${new X509Certificate(fromBase64(webhook?.clientConfig.caBundle)).fingerprint256}`,
    `    failurePolicy ${webhook?.failurePolicy}, timeout ${webhook?.timeoutSeconds} s, called only when all of these hold:`,
    ...(webhook?.matchConditions ?? []).map(({ name }) => `      ${name}`),
  ];
}

export function describeJob(sent: V1Job, stored: V1Job): string[] {
  const change = (name: string, before: unknown, after: unknown) =>
    `    ${name.padEnd(14)} ${before}${before === after ? '  (unchanged)' : styleText('green', `  ->  ${after}`)}`;
  return [
    `  ${stored.metadata?.namespace}/${stored.metadata?.name}`,
    change('backoffLimit', sent.spec?.backoffLimit, stored.spec?.backoffLimit),
    change('restartPolicy', sent.spec?.template.spec?.restartPolicy, stored.spec?.template.spec?.restartPolicy),
  ];
}

export const describeExpectation = ({ text, holds }: Expectation): string =>
  `  ${holds ? styleText('green', '✓') : styleText('red', '✗')} ${text}`;
