import type { CertificateOptions, CertificateSet } from '../../../../src/certs/certificate-set.ts';
import type { CertificateDecision } from '../../../../src/certs/decide.ts';
import { issueServingCertificate } from '../../../../src/certs/issue.ts';
import type { Reason } from '../../../../src/certs/reason-texts.ts';
import type { SecretTraits } from '../../../../src/certs/secret.ts';
import type { Situation } from '../../../../src/certs/situation.ts';
import type { Pem } from '../../../../src/lib/pem.ts';
import { aCertificateSet, certificateOptions, ISSUED_AT } from '../a-certificate-set.ts';
import { damagesOf } from '../a-damaged-set.ts';

export const HOUR_MS = 3_600_000;
export const DAY_MS = 24 * HOUR_MS;
export const after = (ms: number): Date => new Date(ISSUED_AT.getTime() + ms);

export const options = certificateOptions({ caLifetimeMs: 900 * DAY_MS, servingLifetimeMs: 90 * DAY_MS });
export const caDue = 600 * DAY_MS;
export const caEnd = 900 * DAY_MS;
export const servingDue = 60 * DAY_MS;
export const servingEnd = 90 * DAY_MS;

export const set = await aCertificateSet({ options });
/** A second set with the same names and different keys. */
export const other = await aCertificateSet({ options, nth: 2 });

export const renewedAt = async (ms: number): Promise<CertificateSet> => ({
  ...set,
  serving: await issueServingCertificate(options, set.ca, after(ms)),
});

export const empty = '' as Pem;
export const junk = '-----BEGIN CERTIFICATE-----\nbm90IGEgY2VydGlmaWNhdGU=\n-----END CERTIFICATE-----\n' as Pem;
export const half = (pem: Pem): Pem => pem.slice(0, pem.length / 2) as Pem;

export const { withCa, withServing, withAlteredCa, withAlteredServing, withServingKey } = damagesOf(set);

/** The action of the expected decision, followed by its reason if the action has one. */
export type Outcome =
  | 'keep'
  | 'publish'
  | 'settle'
  | 'switch'
  | 'retire'
  | `${'renew' | 'replace' | 'announce' | 'adopt' | 'repair' | 'recreate'} ${Reason}`;

/** One row of the decision table: a set in a situation and the expected decision. */
export interface DecisionRow extends Omit<Situation, 'now'>, SecretTraits {
  readonly what: string;
  readonly set: CertificateSet | undefined;
  readonly expected: Outcome;
  readonly at?: Date;
  readonly options?: Partial<CertificateOptions>;
}

export const outcomeOf = (decision: CertificateDecision): string =>
  'reason' in decision ? `${decision.action} ${decision.reason}` : decision.action;
