/**
 * The retries of the daemon: which action is retried, how long the pauses are, and what happens after the last try.
 *
 * The daemon exits by itself only because of an invalid option (exit code 2), a port in use or a bug (exit code 1). After
 * an expected failure it keeps its certificate and its policy, reports the cause, and retries. The kubelet restarts the
 * container if /healthz fails. The times of the Lease are in operator/lease.ts.
 */
export const timings = {
  /** A pass. The daemon logs a failure, emits an Event, and retries the pass until it succeeds. */
  reconcile: {
    firstMs: 250,
    // Maximum time between two passes, so that a change of the system clock is noticed within a minute.
    longestMs: 60_000,
    // Not every file system reports changes of user-provided certificates.
    longestForFilesMs: 10_000,
    // Until API servers can call the replica. Short, because Jobs are stored uncapped until one replica is ready.
    longestAtStartMs: 5_000,
  },
  /**
   * A write of the Secret that met a conflict. The daemon reads the Secret again and retries at once. After the last
   * try the pass fails, and the times of `reconcile` apply.
   */
  lostRace: {
    // More than the six steps of a CA rotation, because another replica can take each of these steps first.
    tries: 10,
  },
  /** A repair that another writer keeps reverting. The daemon logs the other writer and repairs less and less often. */
  repair: {
    // So many repairs have no delay. A change by hand or by a script is thus repaired at once; a controller reverts
    // more often.
    immediateTries: 20,
    firstMs: 1_000,
    longestMs: 5 * 60_000,
    // Without a repair for twice the longest delay, the conflict has ended and the count starts again.
    forgetMs: 10 * 60_000,
  },
  /**
   * A watch, or the list before it. The daemon retries without limit. It logs the first failure with each error code
   * since the watch last worked.
   */
  watch: {
    firstMs: 100,
    longestMs: 5_000,
    // About half a minute of retries, because an API server that has just started refuses all users until it has
    // loaded the RBAC rules.
    forbiddenTries: 10,
    // Longer pauses, because only an administrator can add missing rights. After that the watch starts within a
    // minute.
    longestForbiddenMs: 60_000,
  },
  /**
   * A page of the list of Jobs. The daemon retries it without a log line. After the last try the list fails, and the
   * times of `watch` apply.
   */
  jobPage: {
    firstMs: 100,
    longestMs: 5_000,
    // 5,000 Jobs have 50 pages. With one try for each page, a failure rate of 3 % would end four of five lists.
    tries: 3,
  },
  /** A Job that could not be capped. The daemon logs the first failure of an outage and retries. */
  job: {
    firstMs: 5_000,
    // Also the pause after an error that no retry can fix, because such an error lasts until a user changes something.
    longestMs: 3 * 60_000,
  },
  /**
   * An Event about a Job: about 62 s of retries. Then the daemon logs the loss and drops the Event, because Events are
   * best effort.
   */
  jobEvent: { firstMs: 2_000, longestMs: 32_000, tries: 6 },
  /**
   * The read of the owner, the ClusterRole, before an object is created. During this time since the start of the
   * process, a missing right to read the owner fails the pass, because the RBAC rules of a new install may not be in
   * force yet.
   */
  owner: { forbiddenMs: 5_000 },
  /** Timeout of each call to the API server. The call then fails with KUBE_UNAVAILABLE. */
  call: { timeoutMs: 10_000 },
  /**
   * /healthz fails if no pass has begun for this time. A working reconcile loop normally begins a pass at least once a
   * minute.
   */
  liveness: { longestMs: 5 * 60_000 },
} as const;
