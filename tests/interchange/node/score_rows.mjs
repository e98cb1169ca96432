// Scores raw rows with an exported file in ONNX Runtime and writes the float32 scores.
//   node score_rows.mjs MODEL.onnx ROWS float64|uint8 SHAPE OUT     (in a folder with node_modules; SHAPE as 1000,1,28,28)
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createRequire } from "node:module";

const ort = createRequire(join(process.cwd(), "package.json"))("onnxruntime-node");
const [model, path, type, shape, out] = process.argv.slice(2);
const bytes = readFileSync(path);
const values = new { uint8: Uint8Array, float64: Float64Array }[type](bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
const session = await ort.InferenceSession.create(model, { intraOpNumThreads: 1, graphOptimizationLevel: "all" });
const { score } = await session.run({ x: new ort.Tensor(type, values, shape.split(",").map(Number)) });
writeFileSync(out, Buffer.from(score.data.buffer, score.data.byteOffset, score.data.byteLength));
