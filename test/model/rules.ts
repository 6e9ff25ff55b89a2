import type { Bounds } from './bounds.ts';

/** A rule of the protocol, and the change of the source that takes it out. */
export interface Rule {
  readonly name: string;
  readonly file: string;
  readonly find: string;
  readonly replace: string;
  /** Bounds within which the violation is found. */
  readonly bounds: Partial<Bounds>;
  /** A part of the violation. */
  readonly violation: RegExp;
}

const REFUSED = /presents @\w+ to an API server that trusts/;
const RESTLESS = /does not lead from here to rest/;

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
