// Calls RPCs of a paperfeed server from Node. It knows no .proto file: the server's reflection describes every message.
//
// Usage: node call_all.js HOST:PORT < steps.json
// Reads a list of [service, rpc, request] and prints the answers by RPC as JSON. A text in a request such as
// "$GetFeed.slate.slate_id" stands for that part of an earlier answer.

import { readFileSync } from "node:fs";
import grpc from "@grpc/grpc-js";
import { GrpcReflection } from "grpc-js-reflection-client";

const [address] = process.argv.slice(2);
const credentials = grpc.credentials.createInsecure();
const reflection = new GrpcReflection(address, credentials);
const answers = {};
const clients = {};

async function clientOf(service) {
  if (!(service in clients)) {
    const described = await reflection.getDescriptorBySymbol(`paperfeed.v1.${service}`);
    const loaded = described.getPackageObject({ keepCase: true, enums: String, longs: String });
    clients[service] = new loaded.paperfeed.v1[service](address, credentials);
  }
  return clients[service];
}

function filled(value) {
  if (typeof value === "string" && value.startsWith("$")) {
    return value.slice(1).split(".").reduce((part, name) => part[name], answers);
  }
  if (Array.isArray(value)) return value.map(filled);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, isMask(key) ? mask(each) : filled(each)]));
}

// A field mask is a text in JSON, but a message with a list of paths here.
function isMask(key) {
  return key === "update_mask";
}

function mask(text) {
  return { paths: text.split(",").map((path) => path.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)) };
}

function called(client, rpc, request) {
  const method = client[rpc];
  if (!method.responseStream) {
    return new Promise((resolve, reject) => {
      method.call(client, request, (error, answer) => (error ? reject(error) : resolve(answer)));
    });
  }
  return new Promise((resolve, reject) => {
    const messages = [];
    const stream = method.call(client, request);
    stream.on("data", (message) => messages.push(message));
    stream.on("error", reject);
    stream.on("end", () => resolve(messages));
  });
}

for (const [service, rpc, request] of JSON.parse(readFileSync(0, "utf8"))) {
  try {
    answers[rpc] = await called(await clientOf(service), rpc, filled(request));
  } catch (error) {
    if (error.code !== grpc.status.UNIMPLEMENTED) throw error;
    answers[rpc] = "UNIMPLEMENTED";
  }
}
console.log(JSON.stringify(answers));
process.exit(0);
