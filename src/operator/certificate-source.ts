import type { Phase, ServingCertificates } from '../certs/certificate-set.ts';
import type { CertificateDecision } from '../certs/decide.ts';
import { readCertificateFiles } from '../certs/files.ts';
import { ensureCertificates, type Look, type Permit, type SecretStore } from '../certs/reconcile.ts';
import { isAhead } from '../certs/rotation.ts';
import { waitingAuthority } from '../certs/serving-swap.ts';
import type { Config } from '../cli/config.ts';
import type { Pem } from '../lib/pem.ts';
import type { Report } from './report.ts';

/** The certificates as they are now. */
export interface Certified extends ServingCertificates {
  /** What of the bundle is there whatever others have put beside it. */
  readonly own: Pem;
  /** Why these are not what is there now, but the last good ones. */
  readonly failure?: unknown;
  /** The authority of the serving certificate, while it is new and waits for every API server to know it. */
  readonly waiting: Pem | undefined;
  readonly phase: Phase;
  /** Whether there is nothing left to do until something changes. */
  readonly isAtRest: boolean;
  /** Whether the registration may be written. */
  readonly isPaused: boolean;
  /** When the next step is due, if nothing happens before. */
  readonly until: Date | undefined;
}

/** Where the certificates come from. */
export type CertificateSource = (circumstances: Look) => Promise<Certified>;

/** What another replica writes while this one looks is later than the look began, by the same clock. */
const UNHEEDED_MS = 5_000;

/** Certificates that the daemon issues and keeps in its Secret: each look takes one step. */
export function secretSource(
  store: SecretStore,
  { certificates }: Pick<Config, 'certificates'>,
  { report, permit }: { readonly report: Report; readonly permit: Permit },
): CertificateSource {
  return async (circumstances) => {
    const ensured = await ensureCertificates(store, certificates, circumstances, permit);
    const { set, verdict, held, isPaused, misunderstood } = ensured;
    if (misunderstood !== undefined) report.misunderstood(misunderstood);
    const { now } = circumstances;
    if (isAhead(set, new Date(now.getTime() + UNHEEDED_MS))) report.clocksDiffer(set.phaseSince, now);
    if (held === undefined) report.certificatesJudged(verdict, set);
    else report.held(verdict, held);
    return {
      ...set,
      own: set.caBundle,
      waiting: waitingAuthority(set),
      isAtRest: verdict.action === 'keep' || held !== undefined,
      isPaused,
      until: untilOf(verdict),
    };
  };
}

const untilOf = (verdict: CertificateDecision): Date | undefined =>
  verdict.action === 'keep' ? verdict.until : undefined;

/** User-provided certificates: `ca.pem` alone says what is trusted. Files that do not fit leave the last good ones in use. */
export function fileSource(
  directory: string,
  { certificates: { names } }: Pick<Config, 'certificates'>,
): CertificateSource {
  let lastGood: ServingCertificates | undefined;

  async function read(now: Date): Promise<{ readonly files: ServingCertificates; readonly failure?: unknown }> {
    try {
      lastGood = await readCertificateFiles(directory, names, now);
      return { files: lastGood };
    } catch (failure) {
      if (lastGood === undefined) throw failure;
      return { files: lastGood, failure };
    }
  }
  return async ({ now }) => {
    const { files, failure } = await read(now);
    return {
      ...files,
      own: files.caBundle,
      failure,
      waiting: undefined,
      phase: 'stable',
      isAtRest: true,
      isPaused: false,
      until: undefined,
    };
  };
}
