import type { ServingCertificates } from './certs/certificate-set.ts';
import { ensureCertificates, type SecretStore } from './certs/ensure.ts';
import { readCertificateFiles } from './certs/files.ts';
import { parseCertificate } from './certs/x509.ts';
import { type Config, WEBHOOK_PATH } from './config.ts';
import { joinCertificates } from './encodings.ts';
import { errorFields, OperatorError } from './errors.ts';
import type { Log } from './log.ts';
import type { Metrics } from './metrics.ts';
import { matchConditions, terraformPolicy } from './policy.ts';
import { startProbes } from './probes.ts';
import { liveBundle, type RegistrationStore, reconcileRegistration } from './registration/reconcile.ts';
import { withRetries } from './retry.ts';
import { liveness, readiness, type Status } from './status.ts';
import { type WakeUp, wakeUps } from './wake-ups.ts';
import { createApp } from './webhook/app.ts';
import { type EndpointServer, startServer } from './webhook/server.ts';

export interface Dependencies {
  readonly secrets: SecretStore;
  readonly registrations: RegistrationStore;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly now: () => Date;
}

/** Wall-clock checks are this often: no timer is ever longer. Files are looked at more often, where nobody reports a change. */
const RESYNC_MS = 60_000;
const FILES_RESYNC_MS = 10_000;

/**
 * Runs the daemon until the signal is aborted; then drains and resolves.
 *
 * @throws OperatorError what keeps it from starting and does not pass by itself.
 */
export async function runOperator(config: Config, dependencies: Dependencies, signal: AbortSignal): Promise<void> {
  const { log, metrics, now } = dependencies;
  const status: Status = { phase: 'starting' };
  const restartedAt = config.rotateOnStart ? now() : undefined;
  const retrying = { log, signal };
  const probes = await startProbes(
    { ready: () => readiness(status, config.certificates.names, now()), live: () => liveness(status, now()), metrics },
    config.probes,
  );
  try {
    // 1. Certificates: take them from the Secret, or issue them and store them there first.
    const first = await withRetries(() => certify(config, dependencies, restartedAt), retrying);

    // 2. Serve: the endpoint answers before any API server is told to call it.
    const app = createApp({ path: WEBHOOK_PATH, policy: terraformPolicy, log, observe: metrics.admissionAnswered });
    const server = await startServer(app, first.serving, config.endpoint);
    status.presented = first.serving.certificate;
    try {
      // 3. Registration: publish the CA bundle and read it back, then accept traffic.
      status.liveBundle = await withRetries(() => register(config, dependencies, first), retrying);
      status.phase = 'running';
      log.info('ready', { port: server.port, probesPort: probes.port, sinceStartMs: Math.round(performance.now()) });

      // 4. Renew and repair: the same steps on every wake-up.
      let current = first;
      for await (const reasons of wakeUps(resyncOptions(config), signal)) {
        status.beatAt = now();
        current = await reconcile(config, dependencies, { server, status, current, reasons });
      }
    } finally {
      status.phase = 'draining';
      log.info('draining', { drainMs: config.endpoint.drainMs });
      await server.close();
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    await probes.close();
  }
}

interface Running {
  readonly server: EndpointServer;
  readonly status: Status;
  readonly current: ServingCertificates;
  readonly reasons: readonly WakeUp[];
}

/**
 * One pass, after which the endpoint presents what it answers. Trust first, use second: a certificate is presented only
 * after the CA bundle that verifies it was published. Where that fails, the endpoint goes on with what it holds.
 */
async function reconcile(
  config: Config,
  dependencies: Dependencies,
  { server, status, current, reasons }: Running,
): Promise<ServingCertificates> {
  const { log, metrics } = dependencies;
  const start = performance.now();
  const seconds = () => (performance.now() - start) / 1000;
  try {
    const next = await certify(config, dependencies);
    status.liveBundle = await register(config, dependencies, next, current);
    if (next.serving.certificate !== current.serving.certificate) {
      server.present(next.serving);
      status.presented = next.serving.certificate;
      log.info('serving certificate swapped', describeServing(next));
    }
    metrics.reconciled('success', seconds());
    log.debug('reconciled', { reasons });
    return next;
  } catch (error) {
    if (!(error instanceof OperatorError)) throw error;
    metrics.reconciled('failure', seconds());
    log.error('reconcile failed, will try again at the next wake-up', { reasons, ...errorFields(error) });
    return current;
  }
}

const resyncOptions = ({ certificateDirectory }: Config) => ({
  resyncMs: certificateDirectory === undefined ? RESYNC_MS : FILES_RESYNC_MS,
  directory: certificateDirectory,
});

/** The certificates to present, from the files that were brought or from the Secret. */
async function certify(
  config: Config,
  { secrets, registrations, log, metrics, now }: Dependencies,
  restartedAt?: Date,
): Promise<ServingCertificates> {
  const served = config.certificateDirectory
    ? await readCertificateFiles(config.certificateDirectory, config.certificates.names, now())
    : await fromSecret();
  recordExpiry(served, metrics);
  return served;

  async function fromSecret(): Promise<ServingCertificates> {
    const bundle = liveBundle(await registrations.read());
    const { set, verdict, until } = await ensureCertificates(secrets, config.certificates, {
      now: now(),
      restartedAt,
      liveBundle: bundle,
    });
    metrics.certificatesJudged(verdict);
    const fields = { secret: secrets.reference, until, ...describeServing(set) };
    if (verdict.action === 'keep') log.debug('certificates kept', fields);
    else log.info('certificates issued', { action: verdict.action, reason: verdict.reason, ...fields });
    return set;
  }
}

/** Publishes the CA bundle, with that of the certificate still presented, and answers what the API server has now. */
async function register(
  config: Config,
  { registrations, log, metrics }: Dependencies,
  next: ServingCertificates,
  presented?: ServingCertificates,
): Promise<NonNullable<Status['liveBundle']>> {
  const isSwapAhead = presented !== undefined && presented.serving.certificate !== next.serving.certificate;
  const caBundle = joinCertificates([next.caBundle, isSwapAhead ? presented.caBundle : '']);
  const { result, drift, liveBundle } = await reconcileRegistration(
    registrations,
    config.registration,
    { caBundle, matchConditions: matchConditions(terraformPolicy) },
    await registrations.read(),
  );
  metrics.registered(result);
  if (result !== 'unchanged') log.info(`registration ${result}`, { name: config.registration.name, drift });
  return liveBundle;
}

function recordExpiry({ serving, caBundle }: ServingCertificates, metrics: Metrics): void {
  const [servingCertificate, ca] = [parseCertificate(serving.certificate), parseCertificate(caBundle)];
  if (servingCertificate) metrics.notAfter('serving', servingCertificate.validToDate);
  if (ca) metrics.notAfter('ca', ca.validToDate);
}

function describeServing({ serving }: ServingCertificates): object {
  const certificate = parseCertificate(serving.certificate);
  return { notAfter: certificate?.validToDate, fingerprint: certificate?.fingerprint256 };
}
