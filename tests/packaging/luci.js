/* Runs a view as LuCI does: the body of a function, with what it requires as its arguments. What it shows and what can be
 * set there goes to standard output as JSON. E() is strict: a text that LuCI would take for HTML is refused. */
'use strict';

const fs = require('fs');
const [page, answers] = [fs.readFileSync(process.argv[2], 'utf8'), JSON.parse(process.argv[3])];

String.prototype.format = function (...values) {
	return this.replace(/%(1024m)?([sdB])/g, () => String(values.shift()));
};

function E(tag, attributes, children) {
	if (!Array.isArray(children))
		throw new Error(`<${tag}>: ${JSON.stringify(children)} would be HTML`);
	return { tag, attributes, children };
}

class Option {
	constructor(widget, name) {
		Object.assign(this, { widget, name, values: [], depended: [] });
	}
	value(name) { this.values.push(name); }
	depends(name, value) { this.depended.push([name, value]); }
}

class Section {
	constructor(kind, type) {
		Object.assign(this, { kind, type, options: [] });
	}
	option(widget, name) {
		this.options.push(new Option(widget, name));
		return this.options.at(-1);
	}
}

class Map {
	constructor(config) {
		Object.assign(this, { config, sections: [] });
		maps.push(this);
	}
	section(kind, ...names) {
		this.sections.push(new Section(kind, names[0]));
		return this.sections.at(-1);
	}
	render() { return Promise.resolve(E('form', {}, [])); }
}

const maps = [], asked = [];
const form = { Map, NamedSection: 'named', TypedSection: 'typed', Flag: 'flag', Value: 'value', ListValue: 'list', DynamicList: 'several' };
const files = {
	exec: (program, words) => {
		const command = [program, ...words].join(' ');
		asked.push(command);
		return command in answers ? Promise.resolve({ stdout: answers[command] }) : Promise.reject(new Error('denied'));
	}
};
const shown = new Function('form', 'fs', 'view', 'E', '_', page)(form, files, { extend: (made) => made }, E, (text) => text);
shown.load().then((told) => shown.render(told)).then((tree) => {
	const option = maps.length && maps[0].sections.flatMap((one) => one.options).find((one) => one.name === 'site');
	const sites = ['depot-north', '', '-x', 'a b'].map((name) => option.validate('agent', name));
	console.log(JSON.stringify({ tree, maps, asked, sites }));
});
