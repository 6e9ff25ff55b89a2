import { type Bounds, boundsOf } from './bounds.ts';

/** A change of the source. */
interface Change {
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

/** What an invariant says that does not hold, in the words of the table: a part of the text of the violation. */
export const violations = {
  'a replica is refused': /presents @\w+ to an API server that trusts/,
  'no rest': /does not lead from here to rest/,
  'a CA without the constraints is published': /the daemon has published/,
} as const;

/** A rule of the protocol, and how it is taken out. */
export interface Rule {
  readonly name: string;
  /** What is left of the rule, and which rule was taken out with it: the column of the table. */
  readonly change: string;
  readonly changes: readonly Change[];
  /** Bounds within which the violation is found. */
  readonly bounds: Bounds;
  readonly violation: keyof typeof violations;
}

const rotation = (find: string, replace: string): Change => ({ file: 'src/certs/ca-rotation.ts', find, replace });
const swap = (find: string, replace: string): Change => ({ file: 'src/certs/serving-swap.ts', find, replace });

const COARSE = { settle: 2, lag: 1, apiServers: 1 } as const;

/** Without this rule, a CA leaves the CA bundle as soon as the Secret does not have it. */
const withoutRecent: Change = {
  file: 'src/operator/plan.ts',
  find: 'phaseSeenMs >= sight.config.certificates.settleMs',
  replace: 'phaseSeenMs >= 0',
};
/** Without this rule, the settle time begins before the next CA is published. */
const withoutReadBack = rotation(
  "return isRead ? { action: 'settle' } : { action: 'wait' };",
  "return { action: 'settle' };",
);
/** Without this rule, the settle time goes on although the CA bundle has lost a CA. */
const withoutAgain = rotation("if (phase === 'settling' && !isRead) return { action: 'publish' };", '');

const observing = (find: string, replace: string): Change => ({ file: 'src/operator/observe.ts', find, replace });

export const rules: readonly Rule[] = [
  {
    name: 'A certificate is presented only after the live CA bundle that verifies it was read back.',
    change: 'taken out',
    changes: [swap("if (!isVerified(serving.certificate, liveBundle, now)) return 'not-trusted-yet';", '')],
    bounds: boundsOf({
      apiServers: 1,
      asks: [],
      faults: 'each',
      kinds: ['secret-deleted', 'bundle-emptied', 'call-fails'],
      exceptsStart: true,
      exceptsDestruction: true,
    }),
    violation: 'a replica is refused',
  },
  {
    name: 'A running replica waits for the settle time before it presents a certificate of a CA that API servers may not trust yet.',
    change: 'taken out',
    changes: [swap("? 'settling' : 'present'", "? 'present' : 'present'")],
    bounds: boundsOf({ asks: [], kinds: ['secret-deleted'] }),
    violation: 'a replica is refused',
  },
  {
    name: 'It waits also while it cannot store its own CA in a Secret that another writer has put there.',
    change: 'taken out',
    changes: [
      {
        file: 'src/operator/plan.ts',
        find: "decision.action === 'adopt' ? set.ca.certificate : waitingAuthority(set)",
        replace: 'waitingAuthority(set)',
      },
    ],
    bounds: boundsOf({
      start: 'empty',
      asks: [],
      apiServers: 1,
      faults: 'each',
      kinds: ['secret-deleted', 'call-fails'],
      exceptsStart: true,
    }),
    violation: 'a replica is refused',
  },
  {
    name: 'It waits also for the CA of a backup that was taken during a rotation.',
    change: 'taken out',
    changes: [
      swap(
        '({ ca, phase }: CertificateSet): Pem | undefined =>',
        '({ ca, nextCa, phase }: CertificateSet): Pem | undefined => nextCa ? undefined :',
      ),
    ],
    bounds: boundsOf({ ...COARSE, kinds: ['secret-restored'] }),
    violation: 'a replica is refused',
  },
  {
    name: 'A usable CA leaves the CA bundle only after this replica has known the state of the Secret for the settle time.',
    change: 'taken out',
    changes: [withoutRecent],
    bounds: boundsOf({ ...COARSE, kinds: ['secret-restored'] }),
    violation: 'a replica is refused',
  },
  {
    name: 'A replica that found no registration creates one, but does not change one that exists by then.',
    change: 'taken out',
    changes: [
      { file: 'src/registration/desired.ts', find: '?? NEVER_STORED', replace: '?? (NEVER_STORED && undefined)' },
    ],
    bounds: boundsOf({ start: 'empty', asks: [], apiServers: 1, kinds: ['secret-deleted'], exceptsStart: true }),
    violation: 'a replica is refused',
  },
  {
    name: 'The settle time begins after the live CA bundle with the next CA was read back.',
    change: 'taken out',
    changes: [withoutReadBack],
    bounds: boundsOf({ faults: 0 }),
    violation: 'no rest',
  },
  {
    name: 'The settle time begins again if the CA bundle has lost a CA meanwhile.',
    change: 'taken out, with the row above',
    changes: [withoutAgain, withoutReadBack],
    bounds: boundsOf({ apiServers: 1, kinds: ['call-fails'] }),
    violation: 'a replica is refused',
  },
  {
    name: 'A pass reads the registration before the Secret.',
    change: 'taken out, with the row above',
    changes: [
      withoutAgain,
      observing('  const registration = await reading(registrations.read());\n', ''),
      observing(
        "'error' in registration ? registration : await reading(readCertificates());",
        'await reading(readCertificates());\n  const registration = await reading(registrations.read());',
      ),
    ],
    bounds: boundsOf({ apiServers: 1, kinds: ['crash'] }),
    violation: 'a replica is refused',
  },
  {
    name: 'The next CA signs only after the settle time.',
    change: 'taken out',
    changes: [rotation('if (leftMs > 0)', "if (leftMs > 0 && phase === 'retiring')")],
    bounds: boundsOf({ faults: 0 }),
    violation: 'a replica is refused',
  },
  {
    name: 'The old CA leaves the CA bundle only after another settle time.',
    change: 'taken out',
    changes: [rotation('if (leftMs > 0)', "if (leftMs > 0 && phase === 'settling')")],
    bounds: boundsOf({ faults: 0 }),
    violation: 'no rest',
  },
  {
    name: 'This settle time is a whole one.',
    change: 'halved, and the rule on a usable CA taken out',
    changes: [
      rotation('if (leftMs > 0)', "if (leftMs > 0 && (phase === 'settling' || leftMs > settleMs / 2))"),
      withoutRecent,
    ],
    bounds: boundsOf({ faults: 0 }),
    violation: 'a replica is refused',
  },
  {
    name: 'The settle time passes by the clock of the process, not only by the time in the Secret.',
    change: 'taken out',
    changes: [
      rotation(
        'const leftMs = Math.max(settleMs - phaseSeenMs, writtenMs);',
        'const leftMs = phaseSeenMs < 0 ? 0 : writtenMs;',
      ),
    ],
    bounds: boundsOf({ clocks: [0, 6, -6], kinds: ['clock-step'] }),
    violation: 'a replica is refused',
  },
  {
    name: 'A step that changes the CAs of the Secret adds the CAs of the live CA bundle until the rotation has finished.',
    change: 'taken out',
    changes: [{ file: 'src/certs/advance.ts', find: "(situation.liveBundle ?? '')", replace: "''" }],
    bounds: boundsOf({ asks: [], kinds: ['secret-deleted'] }),
    violation: 'no rest',
  },
  {
    name: 'A replica reconciles twice in each settle time, because it may miss a watch event.',
    change: 'once',
    changes: [{ file: 'src/operator/resync.ts', find: 'settleMs / 2', replace: 'settleMs' }],
    bounds: boundsOf({ settle: 6, lag: 5, kinds: ['slow-pass'] }),
    violation: 'a replica is refused',
  },
  {
    name: 'A CA with other name constraints is not published.',
    change: 'taken out',
    changes: [
      {
        file: 'src/certs/bundle.ts',
        find: '&& isConstrainedTo(pem, names)',
        replace: '&& (isConstrainedTo(pem, names) || true)',
      },
    ],
    bounds: boundsOf({ kinds: ['foreign-ca'] }),
    violation: 'a CA without the constraints is published',
  },
  {
    name: 'A rotation ends when the old CA has retired.',
    change: 'taken out',
    changes: [
      rotation(
        "return { action: phase === 'settling' ? 'switch' : 'retire' };",
        "return phase === 'settling' ? { action: 'switch' } : { action: 'wait' };",
      ),
    ],
    bounds: boundsOf({ faults: 0 }),
    violation: 'no rest',
  },
];
