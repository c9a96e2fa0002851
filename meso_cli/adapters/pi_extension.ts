// The appliance's tools in Pi, over MCP on the standard input and output of `meso mcp`.
// Written by `meso adapter install pi`; install again instead of editing.
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { ExtensionAPI } from "@earendil-works/pi-coding-agent";

const COMMAND: string[] = ["meso", "mcp"]; // the command line of the appliance
const VERSION = "2025-11-25";
const START_MS = 30_000;
const OPERONS = "load_operons";

type Json = Record<string, any>;
type Waiting = { resolve: (result: Json) => void; reject: (problem: Error) => void };

/** One connection: requests by number, until the program ends. */
class Appliance {
	private child: ChildProcess;
	private waiting = new Map<number, Waiting>();
	private progress = new Map<number, (text: string) => void>();
	private last = 0;
	private said = "";

	constructor(command: string[]) {
		this.child = spawn(command[0], command.slice(1), { stdio: ["pipe", "pipe", "pipe"] });
		createInterface({ input: this.child.stdout! }).on("line", (line) => this.take(line));
		this.child.stderr!.on("data", (text) => (this.said = (this.said + text).slice(-500)));
		this.child.stdin!.on("error", () => this.lost());
		this.child.on("error", (problem) => this.lost(problem.message));
		this.child.on("close", () => this.lost());
	}

	async start(): Promise<void> {
		const clientInfo = { name: "meso-pi", version: "1" };
		const hello = { protocolVersion: VERSION, capabilities: {}, clientInfo };
		await this.ask("initialize", hello, AbortSignal.timeout(START_MS));
		this.send({ method: "notifications/initialized" });
	}

	stop(): void {
		this.child.stdin!.end();
		this.child.kill();
	}

	ask(method: string, params: Json, signal?: AbortSignal, told?: (text: string) => void): Promise<Json> {
		const id = ++this.last;
		const meta = told ? { _meta: { progressToken: id } } : {};
		if (told) this.progress.set(id, told);
		return new Promise((resolve, reject) => {
			const abort = () => {
				this.send({ method: "notifications/cancelled", params: { requestId: id } });
				settle(() => reject(new Error(`${method} was cancelled`)));
			};
			const settle = (finish: () => void) => {
				signal?.removeEventListener("abort", abort);
				this.waiting.delete(id);
				this.progress.delete(id);
				finish();
			};
			this.waiting.set(id, {
				resolve: (result) => settle(() => resolve(result)),
				reject: (problem) => settle(() => reject(problem)),
			});
			if (this.child.exitCode !== null) return this.lost();
			signal?.addEventListener("abort", abort);
			this.send({ id, method, params: { ...params, ...meta } });
		});
	}

	private send(message: Json): void {
		this.child.stdin!.write(`${JSON.stringify({ jsonrpc: "2.0", ...message })}\n`);
	}

	private take(line: string): void {
		let message: Json;
		try {
			message = JSON.parse(line);
		} catch {
			return; // not the protocol: a greeting of the shell
		}
		if (message.method === "notifications/progress") {
			this.progress.get(message.params.progressToken)?.(message.params.message ?? "");
		} else if (message.method === undefined) {
			const waiting = this.waiting.get(message.id);
			if (message.error) waiting?.reject(new Error(message.error.message));
			else waiting?.resolve(message.result);
		}
	}

	private lost(reason = this.said.trim()): void {
		const problem = new Error(`the appliance does not answer: ${reason || "the connection ended"}`);
		for (const { reject } of [...this.waiting.values()]) reject(problem);
	}
}

function text(result: Json): string {
	return (result.content ?? []).map((part: Json) => part.text ?? `[${part.type}]`).join("\n");
}

export default function (pi: ExtensionAPI) {
	let appliance: Appliance | undefined;

	function register(tool: Json): void {
		pi.registerTool({
			name: `meso_${tool.name}`,
			label: `MESO ${tool.name}`,
			description: `On the MESO appliance: ${tool.description ?? ""}`,
			parameters: tool.inputSchema as any,
			async execute(_id, params, signal, update) {
				if (!appliance) throw new Error("the appliance is not connected");
				let soFar = "";
				const told = (piece: string) => {
					soFar += piece;
					update?.({ content: [{ type: "text", text: soFar }], details: undefined });
				};
				const asked = { name: tool.name, arguments: params };
				const result = await appliance.ask("tools/call", asked, signal, told);
				if (result.isError) throw new Error(text(result));
				return { content: [{ type: "text", text: text(result) }], details: undefined };
			},
		});
	}

	pi.on("session_start", async (_event, ctx) => {
		appliance?.stop();
		appliance = new Appliance(COMMAND);
		try {
			await appliance.start();
			const listed = await appliance.ask("tools/list", {});
			for (const tool of listed.tools) register(tool);
		} catch (problem) {
			appliance.stop();
			appliance = undefined;
			ctx.ui.notify(`MESO: ${(problem as Error).message}`, "warning");
		}
	});

	pi.on("session_shutdown", () => {
		appliance?.stop();
		appliance = undefined;
	});

	// Operons load by their triggers, as on the appliance itself.
	pi.on("before_agent_start", async (event, ctx) => {
		if (!appliance || !event.prompt) return;
		try {
			const asked = { name: OPERONS, arguments: { text: event.prompt } };
			const found = (await appliance.ask("tools/call", asked)).structuredContent;
			if (!found?.operons?.length) return;
			const content = found.operons.map((operon: Json) => operon.text.trim()).join("\n\n");
			return { message: { customType: "meso-operons", content, display: false } };
		} catch (problem) {
			ctx.ui.notify(`MESO: no operon was loaded: ${(problem as Error).message}`, "warning");
		}
	});
}
