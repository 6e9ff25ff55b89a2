import type { CertificateSet } from '../../../src/certs/certificate-set.ts';
import type { StoredSecret } from '../../../src/certs/secret.ts';
import { type RawOptions, readConfig } from '../../../src/cli/config.ts';
import type { Readings } from '../../../src/commands/inspect/observations.ts';
import { createReport, type InspectionReport } from '../../../src/commands/inspect/report.ts';
import type { Pem } from '../../../src/lib/pem.ts';
import { matchConditions } from '../../../src/policy/cel.ts';
import { terraformPolicy } from '../../../src/policy/policy.ts';
import { desiredRegistration } from '../../../src/registration/desired.ts';
import { ISSUED_AT, stored } from './a-certificate-set.ts';

/** Observations of a healthy daemon, with the given parts replaced. */
export interface Sight {
  /** Age of all certificates in ms. Default: one day. */
  readonly afterMs?: number;
  readonly set: CertificateSet;
  readonly secret?: Partial<StoredSecret>;
  /** The CA bundle in the registration. Default: the bundle of the set. */
  readonly liveBundle?: Pem;
  readonly options?: RawOptions;
  /**
   * Contents of Secret, registration and endpoint. They replace the contents that `anInspection` derives from the other
   * fields.
   */
  readonly facts?: Partial<Readings>;
}

/** Returns the registration as the daemon writes it. */
export const aRegistration = (caBundle: Pem) =>
  desiredRegistration(readConfig({}).registration, { caBundle, matchConditions: matchConditions(terraformPolicy) });

export function anInspection({
  set,
  afterMs = 86_400_000,
  secret,
  liveBundle,
  options = {},
  facts,
}: Sight): InspectionReport {
  const bundle = liveBundle ?? set.caBundle;
  const healthy: Readings = {
    secret: stored(set, secret),
    registration: aRegistration(bundle),
    endpoint: {
      outcome: 'answered',
      address: '10.0.0.1:443',
      certificate: set.serving.certificate,
      why: undefined,
    },
  };
  return createReport({ ...healthy, ...facts }, readConfig(options), new Date(ISSUED_AT.getTime() + afterMs));
}
