// Runs every exported file in ONNX Runtime and compares its scores with the model's.
//   node check_onnx_runtime.mjs CASES_DIR     (in a folder with node_modules)
// Fails if a score differs by more than 1e-5 of itself, or of the median score where that is larger; if a label
// differs from the comparison of the runtime's own score with the threshold; or if a row's score depends on its batch.
// Prints the table of differences.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createRequire } from "node:module";

const TOLERANCE = 1e-5;
const ort = createRequire(join(process.cwd(), "package.json"))("onnxruntime-node");
const folder = process.argv[2];
const cases = JSON.parse(readFileSync(join(folder, "cases.json")));
if (cases.length < 45) throw new Error(`only ${cases.length} cases`);

const arrayOf = { uint8: Uint8Array, float64: Float64Array };
const load = (path, Type) => {
  const bytes = readFileSync(join(folder, path));
  return new Type(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
};

let failures = 0;
const fail = (text) => {
  console.error(text);
  failures += 1;
};

console.log("| model | rows | largest difference, relative | in units of the tolerance |\n| --- | --- | --- | --- |");
for (const { name, sample_shape, type, threshold } of cases) {
  const session = await ort.InferenceSession.create(join(folder, `${name}.onnx`), { intraOpNumThreads: 1, graphOptimizationLevel: "all" });
  const rows = load(`${name}.rows`, arrayOf[type]);
  const expected = load(`${name}.scores`, Float32Array);
  const width = sample_shape.reduce((a, b) => a * b, 1);
  const run = async (first, n) => {
    const values = rows.slice(first * width, (first + n) * width);
    const outputs = await session.run({ x: new ort.Tensor(type, values, [n, ...sample_shape]) });
    return { score: outputs.score, label: outputs.label };
  };
  const n = expected.length;
  if (n !== 1000 || rows.length !== n * width) fail(`${name}: ${n} scores for ${rows.length / width} rows`);
  const { score, label } = await run(0, n);
  if (score.dims.length !== 1 || score.dims[0] !== n || label.type !== "int64") fail(`${name}: outputs of another shape or type`);

  const median = [...expected].map(Math.abs).sort((a, b) => a - b)[n / 2];
  let relative = 0, inUnits = 0;
  for (let i = 0; i < n; ++i) {
    const difference = Math.abs(score.data[i] - expected[i]);
    relative = Math.max(relative, difference / Math.abs(expected[i]));
    inUnits = Math.max(inUnits, difference / (TOLERANCE * Math.max(Math.abs(expected[i]), median)));
    if (Number(label.data[i]) !== (score.data[i] > threshold ? 1 : 0)) fail(`${name}: row ${i}: label ${label.data[i]} at score ${score.data[i]}`);
  }
  if (!(inUnits <= 1)) fail(`${name}: scores differ by ${inUnits} times the tolerance`);
  for (const few of [1, 3]) {
    const part = await run(500, few);
    for (let i = 0; i < few; ++i)
      if (!(Math.abs(part.score.data[i] - score.data[500 + i]) <= TOLERANCE * Math.max(Math.abs(expected[500 + i]), median)))
        fail(`${name}: row ${500 + i} has another score in a batch of ${few}`);
  }
  console.log(`| ${name} | ${n} | ${relative.toExponential(1)} | ${inUnits.toFixed(3)} |`);
  await session.release();
}
if (failures > 0) process.exit(1);
