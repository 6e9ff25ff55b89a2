import { writeFile } from 'node:fs/promises';
import { TICKET_PORT } from '../../tools/image/images.ts';
import type { NodeCluster } from '../../tools/node/node-cluster.ts';

/** What the stand-in for terraform does. Every command that is not named succeeds. */
export type Outcome = 'init fails' | 'apply fails' | 'apply hangs' | 'destroy fails' | 'all succeed';

/** The ticket system of the cloud account. It counts the runs of terraform and decides how they end. */
export interface TicketSystem {
  /** Sets what terraform does for an account. Terraform reads the account from the variable `account`. */
  decide(account: string, outcome: Outcome): Promise<void>;
  /**
   * Returns the number of times that Pods of a Job ran `terraform apply` or `terraform destroy`.
   *
   * @param account the variable `account` of the Job: two namespaces can have a Job of the same name. Default: none.
   */
  runs(job: string, account?: string): Promise<number>;
}

/** For each connection. A Pod has the name of its Job and five random characters. */
const ANSWER = `read -r pod command account
[ "$command" = init ] || echo "$command" >>"runs/$account.$pod"
cat "outcomes/$account" 2>/dev/null || echo 'apply fails'
`;

/** Starts the ticket system in the network of the node. It ends with the node. */
export async function startTicketSystem({ inside, layout }: NodeCluster): Promise<TicketSystem> {
  await writeFile(layout.file('answer.sh'), ANSWER);
  const listen = `TCP-LISTEN:${TICKET_PORT},fork,reuseaddr`;
  const start = `mkdir -p runs outcomes; socat ${listen} SYSTEM:'sh answer.sh' >/dev/null 2>&1 &`;
  await inside('sh', '-c', `cd ${layout.folder}; ${start}`);
  return {
    decide: (account, outcome) => writeFile(layout.file(`outcomes/${account}`), `${outcome}\n`),
    runs: async (job, account = 'none') =>
      Number(await inside('sh', '-c', `cat ${layout.file(`runs/${account}.${job}`)}-????? 2>/dev/null | wc -l`)),
  };
}
