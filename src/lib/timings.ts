/**
 * The retries of the daemon: which action is retried, how long the pauses are, and what happens after the last try.
 *
 * The daemon exits by itself only because of an invalid option (exit code 2), a port in use or a bug (exit code 1). After
 * an expected failure it keeps its certificate and its policy, reports the cause, and retries. The kubelet restarts the
 * container if /healthz fails. The times of the Lease are in operator/lease.ts.
 */
export const timings = {
  /**
   * Times of the reconcile passes. If a pass fails, the daemon logs the failure, emits an Event, and retries the pass
   * until it succeeds.
   */
  reconcile: {
    firstMs: 250,
    // Maximum time between two passes, so that a change of the system clock is noticed within a minute.
    longestMs: 60_000,
    // Maximum time between two passes if the user provides the certificates, because not every file system reports
    // changes of files.
    longestForFilesMs: 10_000,
    // Maximum pause after a failed pass until API servers can call the replica. The pause is short, because Jobs are
    // stored uncapped until one replica is ready.
    longestAtStartMs: 5_000,
  },
  /**
   * A write of the Secret that met a conflict. The daemon reads the Secret again and retries at once. After the last
   * try the pass fails, and the times of `reconcile` apply.
   */
  lostRace: {
    // More than the writes of the Secret in a CA rotation, because another replica can make each of these writes
    // first.
    tries: 10,
  },
  /** A repair that another writer keeps reverting. The daemon logs the other writer and repairs less and less often. */
  repair: {
    // Number of repairs without a delay. Changes by hand or by a script are fewer, so the daemon repairs them at once.
    // A controller that reverts each repair exceeds the number.
    immediateTries: 20,
    firstMs: 1_000,
    longestMs: 5 * 60_000,
    // If the daemon makes no repair for this time, twice the longest delay, the conflict with the other writer has
    // ended. The count of repairs then starts again.
    forgetMs: 10 * 60_000,
  },
  /**
   * A watch, or the list before it. The daemon retries without limit. It logs the first failure with each error code
   * since the watch last worked.
   */
  watch: {
    firstMs: 100,
    longestMs: 5_000,
    // Number of retries, in about half a minute, of a watch that the API server refuses. An API server that has just
    // started refuses all users until it has loaded the RBAC rules.
    forbiddenTries: 10,
    // Maximum pause after `forbiddenTries` retries. The pause is longer, because only an administrator can add missing
    // rights. After the rights are added, the watch starts within a minute.
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
    // Maximum pause between two tries. It is also the pause after an error that no retry can fix, because such an
    // error lasts until a user changes something.
    longestMs: 3 * 60_000,
  },
  /**
   * An Event about a Job: about 62 s of retries. Then the daemon logs the loss and drops the Event, because Events are
   * best effort.
   */
  jobEvent: { firstMs: 2_000, longestMs: 32_000, tries: 6 },
  /** A failed Job of terraform-controller. The daemon checks whether its Configuration still waits, until it does not. */
  failedApply: {
    checkMs: 60_000,
    // Pause between two checks for each failed Job, so that the API server gets at most ten repeated checks a second.
    // Only the concurrency limits the first checks after a start.
    perJobMs: 100,
    // The API server keeps an Event for an hour by default. Then the Event is written again.
    repeatMs: 60 * 60_000,
    // The Event still exists, because another process wrote it, or because it expires a minute later than its hour.
    existsMs: 5 * 60_000,
  },
  /**
   * The read of the ClusterRole that owns the objects of the daemon, before an object is created. If the daemon may not
   * read the ClusterRole, the pass fails and is retried for this time after the start of the process, because the RBAC
   * rules of a new install may not be in force yet. After this time, the daemon creates the object without an owner.
   */
  owner: { forbiddenMs: 5_000 },
  /** Timeout of each call to the API server. The call then fails with KUBE_UNAVAILABLE. */
  call: { timeoutMs: 10_000 },
  /** Time limit of an exec plugin. The call that needs the credential then fails with KUBE_UNAVAILABLE. */
  execPlugin: {
    // A plugin that only calls a cloud API answers within a few seconds.
    timeoutMs: 30_000,
    // A person at the terminal can have to log in with a browser and a second factor.
    interactiveMs: 180_000,
  },
  /**
   * /healthz fails if no pass has begun for this time. A working reconcile loop normally begins a pass at least once a
   * minute.
   */
  liveness: { longestMs: 5 * 60_000 },
} as const;
