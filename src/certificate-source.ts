import type { Phase, ServingCertificates } from './certs/certificate-set.ts';
import { ensureCertificates, type Look, type Permit, type SecretStore } from './certs/ensure.ts';
import { readCertificateFiles } from './certs/files.ts';
import type { Verdict } from './certs/judge.ts';
import { keepAuthorities } from './certs/kept-authorities.ts';
import { waitingAuthority } from './certs/present.ts';
import { isAhead } from './certs/rotation.ts';
import type { Config } from './config.ts';
import { joinCertificates, type Pem } from './encodings.ts';
import type { Report } from './report.ts';

/** The certificates as they are now. */
export interface Certified extends ServingCertificates {
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

export interface SecretSourceDependencies {
  readonly report: Report;
  readonly permit: Permit;
  /** To be told of each step that is taken. */
  readonly stepped: (verdict: Verdict) => void;
}

/** Certificates that the daemon issues and keeps in its Secret: each look takes one step. */
export function secretSource(
  store: SecretStore,
  { certificates }: Pick<Config, 'certificates'>,
  { report, permit, stepped }: SecretSourceDependencies,
): CertificateSource {
  return async (circumstances) => {
    const ensured = await ensureCertificates(store, certificates, circumstances, permit);
    const { set, verdict, held, isPaused, misunderstood } = ensured;
    if (misunderstood !== undefined) report.misunderstood(misunderstood);
    const { now } = circumstances;
    if (isAhead(set, new Date(now.getTime() + UNHEEDED_MS))) report.clocksDiffer(set.phaseSince, now);
    if (held === undefined) report.certificatesJudged(verdict, set);
    else report.held(verdict, held);
    if (held === undefined && verdict.action !== 'keep') stepped(verdict);
    return {
      ...set,
      waiting: waitingAuthority(set),
      isAtRest: verdict.action === 'keep' || held !== undefined,
      isPaused,
      until: untilOf(verdict),
    };
  };
}

const untilOf = (verdict: Verdict): Date | undefined => (verdict.action === 'keep' ? verdict.until : undefined);

/**
 * Certificates that somebody has brought. Nothing is known of their authorities, so what the API server trusts beside them is
 * kept until every replica can be expected to have read the same files.
 */
export function fileSource(
  directory: string,
  { certificates: { names } }: Pick<Config, 'certificates'>,
  uptimeMs: () => number,
): CertificateSource {
  const kept = keepAuthorities(uptimeMs);
  return async ({ now, liveBundle }) => {
    const files = await readCertificateFiles(directory, names, now);
    const { authorities, untilMs } = kept(liveBundle, files.caBundle);
    return {
      ...files,
      caBundle: joinCertificates([files.caBundle, ...authorities]),
      waiting: undefined,
      phase: 'stable',
      isAtRest: true,
      isPaused: false,
      until: untilMs === undefined ? undefined : new Date(now.getTime() + untilMs),
    };
  };
}
