/** The exit codes of the process. */
export const exitCodes = {
  done: 0,
  /** The command failed, or `inspect` found a problem. */
  failed: 1,
  /** An unknown command or option, or an invalid value. */
  usageError: 2,
  /** `inspect` found no problem, but the endpoint was not called. */
  incomplete: 3,
  /** SIGINT ended the command: 128 + 2, as in a shell. */
  interrupted: 130,
  /** A second SIGTERM ended the daemon: 128 + 15. */
  terminated: 143,
} as const;

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];
