/** The exit codes of the process. */
export const exitCodes = {
  /**
   * The command has finished; `inspect` found no problem and called the endpoint; no check of `check` failed, and its
   * Job, which `--pre` does not send, came back capped; `applies` found no failed Job; `applies retry` created the Job again.
   */
  done: 0,
  /** The command failed, `inspect` found a problem, a check of `check` failed, or `applies` found a failed Job. */
  failed: 1,
  /** The command line has an unknown command or option, or an invalid value. */
  usageError: 2,
  /**
   * `inspect` found no problem, but did not call the endpoint; the dry run of `check` proved nothing; or `applies` found
   * no failed Job, but could not read every Job.
   */
  incomplete: 3,
  /** SIGINT or SIGTERM ended `rotate` or `applies retry`, or a second SIGINT ended the daemon: 128 + 2 (SIGINT), as in a shell. */
  interrupted: 130,
  /** A second SIGTERM ended the daemon at once: 128 + 15 (SIGTERM), as in a shell. */
  terminated: 143,
} as const;

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];
