'use strict';
'require form';
'require fs';
'require view';

/* One page: how the agent is, what it has found, and /etc/config/fieldkit. What packets said is shown as text only. */

const PROGRAM = '/usr/bin/fieldkit';
/* Word for word what acl.d/fieldkit.json allows. rpcd takes 256 KB of output: all that was found could be more. */
const STATUS = ['agent', 'status', '--json'];
const FINDINGS = ['agent', 'findings', '--json', '--last', '50'];

function asked(words) {
	return fs.exec(PROGRAM, words).then(function (done) {
		return done.stdout || '';
	}).catch(function () {
		return '';
	});
}

function line(title, value) {
	return E('tr', { 'class': 'tr' }, [
		E('td', { 'class': 'td left', 'width': '33%' }, [title]),
		E('td', { 'class': 'td left' }, [String(value)])
	]);
}

function statusOf(text) {
	let told;
	try {
		told = JSON.parse(text);
	} catch (error) {
		return E('p', {}, [_('No agent answers. It is started when it is enabled below and the configuration is right; the system log says what is wrong with it.')]);
	}
	const names = { '0': _('critical'), '1': _('warning'), '2': _('info'), '3': _('numbers') };
	const waiting = Object.entries(told.waiting || {}).filter(([, number]) => number)
		.map(([key, number]) => '%d %s'.format(number, names[key] || key));
	const rows = [
		line(_('Listening on'), (told.listening || []).join(', ') || _('nothing')),
		line(_('Traffic'), _('%d packets, %d messages, %d stations').format(told.packets_total || 0, told.messages || 0, told.stations || 0)),
		line(_('Waiting to be sent'), waiting.join(', ') || _('nothing')),
		line(_('Memory'), '%1024mB'.format(told.memory_bytes || 0))
	];
	Object.entries(told.not_listening || {}).forEach(([source, why]) => rows.push(line(_('Not listening: %s').format(source), why)));
	Object.entries(told.sink_troubles || {}).forEach(([sink, why]) => rows.push(line(_('Takes nothing: %s').format(sink), why)));
	return E('table', { 'class': 'table' }, rows);
}

function findingsOf(text) {
	const found = text.split('\n').filter(Boolean).map((line) => JSON.parse(line)).reverse();
	if (!found.length)
		return E('p', {}, [_('Nothing so far.')]);
	const rows = found.map((one) => E('tr', { 'class': 'tr' }, [
		E('td', { 'class': 'td left' }, [one.severity || '']),
		E('td', { 'class': 'td left' }, [one.station || '']),
		E('td', { 'class': 'td left' }, [one.title || '']),
		E('td', { 'class': 'td left' }, [one.last || ''])
	]));
	rows.unshift(E('tr', { 'class': 'tr table-titles' },
		[_('Severity'), _('Station'), _('Finding'), _('Last seen')].map((name) => E('th', { 'class': 'th left' }, [name]))));
	return E('table', { 'class': 'table' }, rows);
}

function settings() {
	const map = new form.Map('fieldkit', _('Charging stations'),
		_('Listens to what charging stations and their management system say to each other, and tells what is wrong. Everything else that can be set is in /etc/config/fieldkit; docs/agent.md of fieldkit explains it.'));
	let section = map.section(form.NamedSection, 'agent', 'agent', _('Agent'));
	let option = section.option(form.Flag, 'enabled', _('Enabled'));
	option.rmempty = false;
	option = section.option(form.Value, 'site', _('Site'), _('The name of the place, in every message.'));
	option.rmempty = false;
	option.validate = function (id, value) {
		return /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(value) || _('Letters, digits, dots, hyphens and underscores, at most 64');
	};
	option = section.option(form.ListValue, 'memory', _('Memory'));
	option.value('low', _('low: for routers'));
	option.value('normal', _('normal'));

	section = map.section(form.NamedSection, 'capture', 'capture', _('Where chargers are'));
	option = section.option(form.DynamicList, 'sources', _('Interfaces'));
	option.placeholder = 'br-lan';
	option = section.option(form.DynamicList, 'hosts', _('Only these addresses'));
	option.datatype = 'ipaddr';

	section = map.section(form.TypedSection, 'sink', _('Who is told'));
	section.addremove = true;
	section.anonymous = false;
	option = section.option(form.ListValue, 'type', _('Type'));
	['mqtt', 'webhook', 'syslog', 'file', 'prometheus'].forEach((name) => option.value(name));
	option = section.option(form.Value, 'url', _('Address'), _('mqtts://HOST, https://HOST/PATH, or tls://HOST for syslog'));
	['mqtt', 'webhook', 'syslog'].forEach((name) => option.depends('type', name));
	option = section.option(form.Value, 'user', _('User'));
	option.depends('type', 'mqtt');
	option = section.option(form.Value, 'password_file', _('File with the password'), _('Belongs to root, mode 600.'));
	option.depends('type', 'mqtt');
	option = section.option(form.Value, 'token_file', _('File with the token'), _('Belongs to root, mode 600.'));
	option.depends('type', 'webhook');
	option = section.option(form.Value, 'ca', _('File with the authority'), _('PEM; empty: those that the router trusts.'));
	['mqtt', 'webhook', 'syslog'].forEach((name) => option.depends('type', name));
	option = section.option(form.Value, 'path', _('File'));
	['file', 'prometheus'].forEach((name) => option.depends('type', name));
	option = section.option(form.ListValue, 'severity', _('From'));
	['info', 'warning', 'critical'].forEach((name) => option.value(name));

	section = map.section(form.TypedSection, 'budget', _('Bytes a day'), _('By kind of uplink, or by its id.'));
	section.addremove = true;
	section.anonymous = true;
	option = section.option(form.Value, 'uplink', _('Uplink'));
	['cellular', 'satellite', 'ethernet', 'wifi', 'vpn'].forEach((name) => option.value(name));
	option = section.option(form.Value, 'size', _('Size'));
	option.placeholder = '5MB';
	return map;
}

return view.extend({
	load: function () {
		return Promise.all([asked(STATUS), asked(FINDINGS)]);
	},

	render: function (told) {
		return settings().render().then(function (page) {
			return E('div', {}, [
				E('h2', {}, [_('How it is')]), statusOf(told[0]),
				E('h2', {}, [_('What it has found')]), findingsOf(told[1]),
				page
			]);
		});
	}
});
