/** What a Job in a protobuf list has, besides the fields that nothing reads. */
export interface ScannedJob {
  readonly name: string;
  /** The conditions of its status, from type to status. */
  readonly conditions?: Readonly<Record<string, string>>;
}

/** Returns a list of Jobs as an API server encodes it in protobuf, with the resourceVersion 7. */
export function aProtobufList(jobs: readonly ScannedJob[], next = ''): Buffer {
  const metadata = field(1, field(2, '7'), field(3, next));
  const items = jobs.map(({ name, conditions = {} }) => {
    const meta = field(1, field(1, name), field(3, 'team-a'), field(5, `u-${name}`), field(6, '5'));
    const all = Object.entries(conditions).map(([type, status]) => field(1, field(1, type), field(2, status)));
    const succeeded = Buffer.from([0x28, 1]);
    return field(2, meta, field(2, field(3, 'a Pod template')), field(3, ...all, succeeded));
  });
  const typeMeta = field(1, field(1, 'batch/v1'), field(2, 'JobList'));
  return Buffer.concat([Buffer.from('k8s\0'), typeMeta, field(2, metadata, ...items)]);
}

function field(number: number, ...values: readonly (string | Buffer)[]): Buffer {
  const value = Buffer.concat(values.map((one) => Buffer.from(one)));
  return Buffer.concat([varint(number * 8 + 2), varint(value.length), value]);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return Buffer.from([...bytes, rest]);
    bytes.push((rest % 128) + 128);
  }
}
