/**
 * Who tries again after a failure, how long it waits, and what happens when it gives up.
 *
 * Only a daemon that has never been ready exits: at once after an error that no retry can fix (exit code 1; 2 for an invalid
 * option), and after 15 s of missing rights. A daemon that was ready keeps its certificate and its policy and never exits by
 * itself. The kubelet restarts it when /healthz fails. The times of the Lease are in operator/lease.ts.
 */
export const timings = {
  /** The first pass, until the daemon is ready. It tries until it succeeds, and replicas spread their tries. */
  start: {
    firstMs: 400,
    // Jobs are stored uncapped until one replica is ready.
    longestMs: 5_000,
    // The process exits after this time of missing rights. It is not shorter, because an API server that has just
    // started refuses all users until it has read its roles.
    forbiddenMs: 15_000,
  },
  /** Each later pass. It logs the failure, emits an Event, and tries until it succeeds. */
  reconcile: {
    firstMs: 250,
    // The wall clock is checked this often, so that no timer is longer and a clock that jumps is noticed.
    longestMs: 60_000,
    // Not every file system reports changes of user-provided certificates.
    longestForFilesMs: 10_000,
  },
  /** A write that another replica has overtaken. It reads again at once; then the pass fails and `reconcile` applies. */
  lostRace: {
    // Each lost race is a step of another replica, and a rotation of the CA has six of them.
    tries: 10,
  },
  /** A repair that another writer keeps reverting. It logs the other writer and goes on less and less often. */
  repair: {
    // Damage by hand or by a script is repaired at once; only a controller reverts more often than this.
    immediateTries: 20,
    firstMs: 1_000,
    longestMs: 5 * 60_000,
    // Two of the longest delays without a repair: the conflict is over.
    forgetMs: 10 * 60_000,
  },
  /** A watch, or the list before it. It logs the first failure of each kind and tries for ever. */
  watch: {
    firstMs: 100,
    longestMs: 5_000,
    // About half a minute of tries, because an API server that has just started refuses all users until it has read
    // its roles.
    forbiddenTries: 10,
    // Missing rights do not return by themselves. After an administrator has added them the watch starts within a minute.
    longestForbiddenMs: 60_000,
  },
  /** A page of the list of Jobs. It tries again without a log line; then the list fails and `watch` applies. */
  jobPage: {
    firstMs: 100,
    longestMs: 5_000,
    // 5,000 Jobs have 50 pages: with one try each, 3 % of failed calls would end four lists of five.
    tries: 3,
  },
  /** A Job that could not be capped. It logs the first failure and tries until the Job is capped, changed or deleted. */
  job: {
    firstMs: 5_000,
    // Also the wait after a refusal, which lasts until a person changes something.
    longestMs: 3 * 60_000,
  },
  /** An Event about a Job: 62 s of tries. Then it logs that and drops the Event, because Events are best effort. */
  jobEvent: { firstMs: 2_000, longestMs: 32_000, tries: 6 },
  /**
   * The owner of a new object. While the process is younger than this, a missing right to read the owner fails the pass,
   * because the roles of a new install may not be in force yet. Less than `start.forbiddenMs`, after which the daemon exits.
   */
  owner: { forbiddenMs: 5_000 },
  /** Timeout of each call to the API server. The call then fails with KUBE_UNAVAILABLE. */
  call: { timeoutMs: 10_000 },
  /** /healthz fails if no pass has begun for this time. A working loop begins a pass at least every minute. */
  liveness: { longestMs: 5 * 60_000 },
} as const;
