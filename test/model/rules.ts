import type { Bounds } from './bounds.ts';

/** A change of the source that takes a rule out. */
interface Change {
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

/** A rule of the protocol, and how it is taken out. */
export interface Rule extends Change {
  readonly name: string;
  /** Takes another rule out as well, which covers for this one. */
  readonly also?: Change;
  /** Bounds within which the violation is found. */
  readonly bounds: Partial<Bounds>;
  /** A part of the violation. */
  readonly violation: RegExp;
}

const REFUSED = /presents @\w+ to an API server that trusts/;
const RESTLESS = /does not lead from here to rest/;

/** Without this rule, a CA leaves the CA bundle as soon as the Secret does not have it. */
const withoutRecent: Change = {
  file: 'src/operator/plan.ts',
  find: 'phaseSeenMs >= sight.config.certificates.settleMs',
  replace: 'phaseSeenMs >= 0',
};

export const rules: readonly Rule[] = [
  {
    name: 'A certificate is presented only after the live CA bundle that verifies it was read back.',
    file: 'src/certs/serving-swap.ts',
    find: "if (!isVerified(serving.certificate, liveBundle, now)) return 'not-trusted-yet';",
    replace: "return 'present';",
    bounds: { asks: [], kinds: ['secret-deleted'] },
    violation: REFUSED,
  },
  {
    name: 'A running replica waits for the settle time before it presents a certificate of a CA that replaces a lost one.',
    file: 'src/certs/serving-swap.ts',
    find: "? 'settling' : 'present'",
    replace: "? 'present' : 'present'",
    bounds: { asks: [], kinds: ['secret-deleted'] },
    violation: REFUSED,
  },
  {
    name: 'A running replica waits for the settle time before it goes back to the CA of a restored backup.',
    file: 'src/certs/serving-swap.ts',
    find: '({ ca, phase }: CertificateSet): Pem | undefined =>',
    replace: '({ ca, nextCa, phase }: CertificateSet): Pem | undefined => nextCa ? undefined :',
    bounds: { settle: 2, lag: 1, apiServers: 1, kinds: ['secret-restored'] },
    violation: REFUSED,
  },
  {
    name: 'A usable CA leaves the CA bundle only after this replica has known the state of the Secret for the settle time.',
    ...withoutRecent,
    bounds: { settle: 2, lag: 1, apiServers: 1, kinds: ['secret-restored'] },
    violation: REFUSED,
  },
  {
    name: 'A replica that found no registration creates one, but does not change one that exists by then.',
    file: 'src/registration/desired.ts',
    find: '?? NEVER_STORED',
    replace: '?? (NEVER_STORED && undefined)',
    bounds: { start: 'empty', asks: [], apiServers: 1, kinds: ['secret-deleted'], exceptsStart: true },
    violation: REFUSED,
  },
  {
    name: 'The settle time begins after the live CA bundle with the next CA was read back.',
    file: 'src/certs/ca-rotation.ts',
    find: 'const isRead = isPublished(caBundle, liveBundle);',
    replace: 'const isRead = isPublished(caBundle, liveBundle) || true;',
    bounds: { kinds: ['call-fails'], faults: 2, settle: 6, lag: 5, apiServers: 1 },
    violation: REFUSED,
  },
  {
    name: 'The next CA signs only after the settle time.',
    file: 'src/certs/ca-rotation.ts',
    find: 'if (leftMs > 0)',
    replace: "if (leftMs > 0 && phase === 'retiring')",
    bounds: { faults: 0 },
    violation: REFUSED,
  },
  {
    name: 'The old CA leaves the CA bundle only after another settle time.',
    file: 'src/certs/ca-rotation.ts',
    find: 'if (leftMs > 0)',
    replace: "if (leftMs > 0 && (phase === 'settling' || leftMs > settleMs / 2))",
    also: withoutRecent,
    bounds: { faults: 0 },
    violation: REFUSED,
  },
  {
    name: 'The settle time passes by the clock of the process, not only by the time in the Secret.',
    file: 'src/certs/ca-rotation.ts',
    find: 'const leftMs = Math.max(settleMs - phaseSeenMs, writtenMs);',
    replace: 'const leftMs = phaseSeenMs < 0 ? 0 : writtenMs;',
    bounds: { clocks: [0, 6, -6], kinds: ['clock-step'] },
    violation: REFUSED,
  },
  {
    name: 'If the CA was lost, the CAs of the live CA bundle stay in the Secret until the rotation has finished.',
    file: 'src/certs/advance.ts',
    find: "(situation.liveBundle ?? '')",
    replace: "''",
    bounds: { asks: [], kinds: ['secret-deleted'] },
    violation: RESTLESS,
  },
  {
    name: 'A replica looks twice in each settle time, because it may miss a watch event.',
    file: 'src/operator/resync.ts',
    find: 'settleMs / 2',
    replace: 'settleMs',
    bounds: { settle: 6, lag: 5, kinds: ['slow-pass'] },
    violation: REFUSED,
  },
  {
    name: 'A CA with other name constraints is not published.',
    file: 'src/certs/bundle.ts',
    find: '&& isConstrainedTo(pem, names)',
    replace: '&& (isConstrainedTo(pem, names) || true)',
    bounds: { kinds: ['foreign-ca'] },
    violation: /the daemon has published/,
  },
  {
    name: 'A rotation ends when the old CA has retired.',
    file: 'src/certs/ca-rotation.ts',
    find: "return { action: phase === 'settling' ? 'switch' : 'retire' };",
    replace: "return phase === 'settling' ? { action: 'switch' } : { action: 'wait' };",
    bounds: { faults: 0 },
    violation: RESTLESS,
  },
];
