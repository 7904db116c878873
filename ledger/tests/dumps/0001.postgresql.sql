--
-- PostgreSQL database dump
--

\restrict szKBjgpX9cbrvbsx9VeEs3gweccnGs1e3ubIoC6ewgf7FbgeisQkD5M4CXXAY9m

-- Dumped from database version 15.18 (Debian 15.18-0+deb12u1)
-- Dumped by pg_dump version 15.18 (Debian 15.18-0+deb12u1)

SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

SET default_tablespace = '';

SET default_table_access_method = heap;

--
-- Name: alembic_version; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.alembic_version (
    version_num character varying(32) NOT NULL
);


--
-- Name: audits; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.audits (
    tenant_id character varying(64) NOT NULL,
    id character varying(40) NOT NULL,
    state character varying(16) NOT NULL,
    ending character varying(16) DEFAULT 'succeeded'::character varying NOT NULL,
    revision integer DEFAULT 0 NOT NULL,
    event_seq integer DEFAULT 0 NOT NULL,
    model_id character varying(200) NOT NULL,
    request json NOT NULL,
    request_digest character varying(64) NOT NULL,
    labels json NOT NULL,
    engine character varying(64),
    outcome character varying(32),
    result_digest character varying(64),
    report_digest character varying(64),
    error character varying(64),
    detail text,
    created_at double precision NOT NULL,
    started_at double precision,
    finished_at double precision,
    deadline_at double precision
);


--
-- Name: events; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.events (
    tenant_id character varying(64) NOT NULL,
    audit_id character varying(40) NOT NULL,
    seq integer NOT NULL,
    type character varying(64) NOT NULL,
    data json NOT NULL,
    at double precision NOT NULL
);


--
-- Name: evidence; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.evidence (
    tenant_id character varying(64) NOT NULL,
    audit_id character varying(40) NOT NULL,
    unit_id character varying(40) NOT NULL,
    name character varying(200) NOT NULL,
    kind character varying(32) NOT NULL,
    digest character varying(64) NOT NULL,
    media_type character varying(100) NOT NULL,
    size bigint NOT NULL,
    created_at double precision NOT NULL
);


--
-- Name: idempotency; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.idempotency (
    tenant_id character varying(64) NOT NULL,
    endpoint character varying(100) NOT NULL,
    key character varying(255) NOT NULL,
    fingerprint character varying(64) NOT NULL,
    audit_id character varying(40) NOT NULL,
    created_at double precision NOT NULL
);


--
-- Name: methods; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.methods (
    tenant_id character varying(64) NOT NULL,
    engine character varying(64) NOT NULL,
    cards json NOT NULL,
    published_at double precision NOT NULL
);


--
-- Name: models; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.models (
    tenant_id character varying(64) NOT NULL,
    id character varying(200) NOT NULL,
    card json NOT NULL,
    published_at double precision NOT NULL
);


--
-- Name: outbox; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.outbox (
    id bigint NOT NULL,
    tenant_id character varying(64) NOT NULL,
    audit_id character varying(40) NOT NULL,
    unit_id character varying(40) NOT NULL,
    attempt integer NOT NULL,
    created_at double precision NOT NULL,
    claimed_until double precision
);


--
-- Name: outbox_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

CREATE SEQUENCE public.outbox_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;


--
-- Name: outbox_id_seq; Type: SEQUENCE OWNED BY; Schema: public; Owner: -
--

ALTER SEQUENCE public.outbox_id_seq OWNED BY public.outbox.id;


--
-- Name: stage_edges; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.stage_edges (
    tenant_id character varying(64) NOT NULL,
    audit_id character varying(40) NOT NULL,
    before character varying(100) NOT NULL,
    after character varying(100) NOT NULL
);


--
-- Name: stages; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.stages (
    tenant_id character varying(64) NOT NULL,
    audit_id character varying(40) NOT NULL,
    name character varying(100) NOT NULL,
    ordinal integer NOT NULL,
    blockers integer NOT NULL,
    total integer NOT NULL,
    remaining integer NOT NULL
);


--
-- Name: units; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.units (
    tenant_id character varying(64) NOT NULL,
    id character varying(40) NOT NULL,
    audit_id character varying(40) NOT NULL,
    stage character varying(100) NOT NULL,
    ordinal integer NOT NULL,
    kind character varying(32) NOT NULL,
    critical boolean NOT NULL,
    payload json NOT NULL,
    state character varying(16) NOT NULL,
    attempt integer DEFAULT 0 NOT NULL,
    fence integer DEFAULT 0 NOT NULL,
    owner character varying(200),
    queued_at double precision,
    leased_at double precision,
    lease_expires_at double precision,
    hard_deadline_at double precision,
    finished_at double precision,
    progress double precision DEFAULT '0'::double precision NOT NULL,
    result json,
    error character varying(64),
    detail text
);


--
-- Name: outbox id; Type: DEFAULT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.outbox ALTER COLUMN id SET DEFAULT nextval('public.outbox_id_seq'::regclass);


--
-- Data for Name: alembic_version; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.alembic_version (version_num) FROM stdin;
0001
\.


--
-- Data for Name: audits; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.audits (tenant_id, id, state, ending, revision, event_seq, model_id, request, request_digest, labels, engine, outcome, result_digest, report_digest, error, detail, created_at, started_at, finished_at, deadline_at) FROM stdin;
local	aud_01M86AED63B6HR77ZCN7R9BE3N	queued	succeeded	1	1	bundled	{"model": "bundled", "target_set": "bundled:first-targets", "control_set": "bundled:first-controls", "mitigations": [{"kind": "nemo", "seeds": 4, "theta_min": 0.25}, {"kind": "wanda", "sparsity": 0.1}], "probes": [{"kind": "prompt"}, {"kind": "adversarial_embedding", "starts": ["gaussian"], "steps": 50}], "effort": "quick", "labels": {"purpose": "first-audit"}}	dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd	{"example": "queued"}	\N	\N	\N	\N	\N	\N	1795508614.342234	\N	\N	\N
local	aud_01M86AED6GHHH30J2MK99ZDBFE	queued	succeeded	1	1	other	{"model": "other", "target_set": "bundled:first-targets", "control_set": "bundled:first-controls", "mitigations": [{"kind": "nemo", "seeds": 4, "theta_min": 0.25}, {"kind": "wanda", "sparsity": 0.1}], "probes": [{"kind": "prompt"}, {"kind": "adversarial_embedding", "starts": ["gaussian"], "steps": 50}], "effort": "quick", "labels": {"purpose": "first-audit"}}	dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd	{"example": "queued for another family"}	\N	\N	\N	\N	\N	\N	1795508614.353351	\N	\N	\N
local	aud_01M86AED6W7DT0ZZPWFB5Z6FXS	queued	succeeded	1	1	bundled	{"model": "bundled", "target_set": "bundled:first-targets", "control_set": "bundled:first-controls", "mitigations": [{"kind": "nemo", "seeds": 4, "theta_min": 0.25}, {"kind": "wanda", "sparsity": 0.1}], "probes": [{"kind": "prompt"}, {"kind": "adversarial_embedding", "starts": ["gaussian"], "steps": 50}], "effort": "quick", "labels": {"purpose": "first-audit"}}	dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd	{"example": "past its deadline"}	\N	\N	\N	\N	\N	\N	1795508614.366992	\N	\N	1795508613.366996
local	aud_01M86AED731K38RY7NM3J7FB9R	queued	succeeded	1	1	bundled	{"model": "bundled", "target_set": null, "control_set": "bundled:first-controls", "mitigations": [{"kind": "nemo", "seeds": 4, "theta_min": 0.25}, {"kind": "wanda", "sparsity": 0.1}], "probes": [{"kind": "prompt"}, {"kind": "adversarial_embedding", "starts": ["gaussian"], "steps": 50}], "effort": "quick", "labels": {"purpose": "first-audit"}, "targets": [{"prompt": "a", "images": [{"media_type": "image/png", "sha256": "1111111111111111111111111111111111111111111111111111111111111111"}, {"media_type": "image/png", "sha256": "2222222222222222222222222222222222222222222222222222222222222222"}]}]}	dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd	{"example": "with images"}	\N	\N	\N	\N	\N	\N	1795508614.372813	\N	\N	\N
local	aud_01M86AED7888DZYRS40AX7NCHN	running	succeeded	20	19	bundled	{"model": "bundled", "target_set": "bundled:first-targets", "control_set": "bundled:first-controls", "mitigations": [{"kind": "nemo", "seeds": 4, "theta_min": 0.25}, {"kind": "wanda", "sparsity": 0.1}], "probes": [{"kind": "prompt"}, {"kind": "adversarial_embedding", "starts": ["gaussian"], "steps": 50}], "effort": "quick", "labels": {"purpose": "first-audit"}}	dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd	{"example": "in the middle"}	engine-1	\N	\N	\N	\N	\N	1795508614.378024	1795508614.387183	\N	\N
local	aud_01M86AEDCJE6AZTMFKYJ3MXVQC	running	succeeded	5	5	bundled	{"model": "bundled", "target_set": "bundled:first-targets", "control_set": "bundled:first-controls", "mitigations": [{"kind": "nemo", "seeds": 4, "theta_min": 0.25}, {"kind": "wanda", "sparsity": 0.1}], "probes": [{"kind": "prompt"}, {"kind": "adversarial_embedding", "starts": ["gaussian"], "steps": 50}], "effort": "quick", "labels": {"purpose": "first-audit"}}	dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd	{"example": "before its report"}	engine-1	\N	\N	\N	\N	\N	1795508614.548278	1795508614.554988	\N	\N
local	aud_01M86AEDAG96D3PFBXA1PNKB13	cancelling	cancelled	6	6	bundled	{"model": "bundled", "target_set": "bundled:first-targets", "control_set": "bundled:first-controls", "mitigations": [{"kind": "nemo", "seeds": 4, "theta_min": 0.25}, {"kind": "wanda", "sparsity": 0.1}], "probes": [{"kind": "prompt"}, {"kind": "adversarial_embedding", "starts": ["gaussian"], "steps": 50}], "effort": "quick", "labels": {"purpose": "first-audit"}}	dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd	{"example": "being cancelled"}	engine-1	\N	\N	\N	\N	\N	1795508614.481418	1795508614.487705	\N	\N
local	aud_01M86AEDDBZY4S3XHGWFH92HJ5	succeeded	succeeded	7	7	bundled	{"model": "bundled", "target_set": "bundled:first-targets", "control_set": "bundled:first-controls", "mitigations": [{"kind": "nemo", "seeds": 4, "theta_min": 0.25}, {"kind": "wanda", "sparsity": 0.1}], "probes": [{"kind": "prompt"}, {"kind": "adversarial_embedding", "starts": ["gaussian"], "steps": 50}], "effort": "quick", "labels": {"purpose": "first-audit"}}	dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd	{"example": "succeeded"}	engine-1	finding	rrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrr	eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee	\N	\N	1795508614.573383	1795508614.582705	1795508614.603718	\N
local	aud_01M86AEDEM7151WHFYSFYG8GH4	failed	succeeded	5	5	bundled	{"model": "bundled", "target_set": "bundled:first-targets", "control_set": "bundled:first-controls", "mitigations": [{"kind": "nemo", "seeds": 4, "theta_min": 0.25}, {"kind": "wanda", "sparsity": 0.1}], "probes": [{"kind": "prompt"}, {"kind": "adversarial_embedding", "starts": ["gaussian"], "steps": 50}], "effort": "quick", "labels": {"purpose": "first-audit"}}	dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd	{"example": "failed"}	engine-1	error	\N	\N	OUT_OF_MEMORY	64 MB short	1795508614.61654	1795508614.626116	1795508614.635412	\N
another	aud_01M86AEDFKWQ26TS4VDXCVSEXR	queued	succeeded	1	1	bundled	{"model": "bundled", "target_set": "bundled:first-targets", "control_set": "bundled:first-controls", "mitigations": [{"kind": "nemo", "seeds": 4, "theta_min": 0.25}, {"kind": "wanda", "sparsity": 0.1}], "probes": [{"kind": "prompt"}, {"kind": "adversarial_embedding", "starts": ["gaussian"], "steps": 50}], "effort": "quick", "labels": {"purpose": "first-audit"}}	dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd	{"example": "queued"}	\N	\N	\N	\N	\N	\N	1795508614.644509	\N	\N	\N
\.


--
-- Data for Name: events; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.events (tenant_id, audit_id, seq, type, data, at) FROM stdin;
local	aud_01M86AED63B6HR77ZCN7R9BE3N	1	audit.queued	{}	1795508614.345004
local	aud_01M86AED6GHHH30J2MK99ZDBFE	1	audit.queued	{}	1795508614.354439
local	aud_01M86AED6W7DT0ZZPWFB5Z6FXS	1	audit.queued	{}	1795508614.368411
local	aud_01M86AED731K38RY7NM3J7FB9R	1	audit.queued	{}	1795508614.37387
local	aud_01M86AED7888DZYRS40AX7NCHN	1	audit.queued	{}	1795508614.379158
local	aud_01M86AED7888DZYRS40AX7NCHN	2	audit.running	{}	1795508614.388447
local	aud_01M86AED7888DZYRS40AX7NCHN	3	unit.started	{"stage": "plan", "ordinal": 0, "attempt": 1}	1795508614.393599
local	aud_01M86AED7888DZYRS40AX7NCHN	4	unit.done	{"stage": "plan", "ordinal": 0, "attempt": 1}	1795508614.398498
local	aud_01M86AED7888DZYRS40AX7NCHN	5	unit.started	{"stage": "baseline", "ordinal": 0, "attempt": 1}	1795508614.429614
local	aud_01M86AED7888DZYRS40AX7NCHN	6	unit.done	{"stage": "baseline", "ordinal": 0, "attempt": 1}	1795508614.43298
local	aud_01M86AED7888DZYRS40AX7NCHN	7	unit.started	{"stage": "baseline", "ordinal": 1, "attempt": 1}	1795508614.438152
local	aud_01M86AED7888DZYRS40AX7NCHN	8	unit.retried	{"stage": "baseline", "ordinal": 1, "attempt": 1, "code": "OUT_OF_MEMORY"}	1795508614.441971
local	aud_01M86AED7888DZYRS40AX7NCHN	9	unit.started	{"stage": "mitigate:nemo", "ordinal": 0, "attempt": 1}	1795508614.44617
local	aud_01M86AED7888DZYRS40AX7NCHN	10	unit.done	{"stage": "mitigate:nemo", "ordinal": 0, "attempt": 1}	1795508614.448695
local	aud_01M86AED7888DZYRS40AX7NCHN	11	unit.started	{"stage": "mitigate:nemo", "ordinal": 1, "attempt": 1}	1795508614.452717
local	aud_01M86AED7888DZYRS40AX7NCHN	12	unit.started	{"stage": "mitigate:wanda", "ordinal": 0, "attempt": 1}	1795508614.458609
local	aud_01M86AED7888DZYRS40AX7NCHN	13	unit.done	{"stage": "mitigate:wanda", "ordinal": 0, "attempt": 1}	1795508614.460613
local	aud_01M86AED7888DZYRS40AX7NCHN	14	unit.started	{"stage": "probe:wanda", "ordinal": 0, "attempt": 1}	1795508614.466051
local	aud_01M86AED7888DZYRS40AX7NCHN	15	unit.failed	{"stage": "probe:wanda", "ordinal": 0, "attempt": 1, "code": "OUT_OF_MEMORY"}	1795508614.468789
local	aud_01M86AED7888DZYRS40AX7NCHN	16	unit.started	{"stage": "probe:wanda", "ordinal": 1, "attempt": 1}	1795508614.473521
local	aud_01M86AED7888DZYRS40AX7NCHN	17	unit.started	{"stage": "probe:wanda", "ordinal": 1, "attempt": 2}	1795508614.476704
local	aud_01M86AED7888DZYRS40AX7NCHN	18	unit.started	{"stage": "probe:wanda", "ordinal": 1, "attempt": 3}	1795508614.480014
local	aud_01M86AEDAG96D3PFBXA1PNKB13	1	audit.queued	{}	1795508614.482282
local	aud_01M86AEDAG96D3PFBXA1PNKB13	2	audit.running	{}	1795508614.489862
local	aud_01M86AEDAG96D3PFBXA1PNKB13	3	unit.started	{"stage": "plan", "ordinal": 0, "attempt": 1}	1795508614.492107
local	aud_01M86AEDAG96D3PFBXA1PNKB13	4	unit.done	{"stage": "plan", "ordinal": 0, "attempt": 1}	1795508614.495016
local	aud_01M86AEDAG96D3PFBXA1PNKB13	5	unit.started	{"stage": "baseline", "ordinal": 0, "attempt": 1}	1795508614.527766
local	aud_01M86AEDAG96D3PFBXA1PNKB13	6	audit.cancelling	{"ending": "cancelled"}	1795508614.532645
local	aud_01M86AEDCJE6AZTMFKYJ3MXVQC	1	audit.queued	{}	1795508614.549261
local	aud_01M86AEDCJE6AZTMFKYJ3MXVQC	2	audit.running	{}	1795508614.556323
local	aud_01M86AEDCJE6AZTMFKYJ3MXVQC	3	unit.started	{"stage": "plan", "ordinal": 0, "attempt": 1}	1795508614.557748
local	aud_01M86AEDCJE6AZTMFKYJ3MXVQC	4	unit.done	{"stage": "plan", "ordinal": 0, "attempt": 1}	1795508614.559855
local	aud_01M86AEDCJE6AZTMFKYJ3MXVQC	5	unit.started	{"stage": "report", "ordinal": 0, "attempt": 1}	1795508614.570023
local	aud_01M86AEDDBZY4S3XHGWFH92HJ5	1	audit.queued	{}	1795508614.574346
local	aud_01M86AEDDBZY4S3XHGWFH92HJ5	2	audit.running	{}	1795508614.583739
local	aud_01M86AEDDBZY4S3XHGWFH92HJ5	3	unit.started	{"stage": "plan", "ordinal": 0, "attempt": 1}	1795508614.585371
local	aud_01M86AEDDBZY4S3XHGWFH92HJ5	4	unit.done	{"stage": "plan", "ordinal": 0, "attempt": 1}	1795508614.588485
local	aud_01M86AEDDBZY4S3XHGWFH92HJ5	5	unit.started	{"stage": "report", "ordinal": 0, "attempt": 1}	1795508614.600099
local	aud_01M86AEDDBZY4S3XHGWFH92HJ5	6	unit.done	{"stage": "report", "ordinal": 0, "attempt": 1}	1795508614.602528
local	aud_01M86AEDDBZY4S3XHGWFH92HJ5	7	audit.succeeded	{"outcome": "finding"}	1795508614.609387
local	aud_01M86AEDEM7151WHFYSFYG8GH4	1	audit.queued	{}	1795508614.618706
local	aud_01M86AEDEM7151WHFYSFYG8GH4	2	audit.running	{}	1795508614.62766
local	aud_01M86AEDEM7151WHFYSFYG8GH4	3	unit.started	{"stage": "plan", "ordinal": 0, "attempt": 1}	1795508614.631234
local	aud_01M86AEDEM7151WHFYSFYG8GH4	4	unit.failed	{"stage": "plan", "ordinal": 0, "attempt": 1, "code": "OUT_OF_MEMORY"}	1795508614.633679
local	aud_01M86AEDEM7151WHFYSFYG8GH4	5	audit.failed	{"code": "OUT_OF_MEMORY"}	1795508614.63882
local	aud_01M86AED7888DZYRS40AX7NCHN	19	note	{"in": "flight"}	1795508614.643666
another	aud_01M86AEDFKWQ26TS4VDXCVSEXR	1	audit.queued	{}	1795508614.645159
\.


--
-- Data for Name: evidence; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.evidence (tenant_id, audit_id, unit_id, name, kind, digest, media_type, size, created_at) FROM stdin;
local	aud_01M86AED7888DZYRS40AX7NCHN	unit_01M86AED80471N4MV1BBS7WEF9	image-0	image	aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa	image/png	3	1795508614.431933
local	aud_01M86AED7888DZYRS40AX7NCHN	unit_01M86AED868AAZ7JJ67GPXXKS6	edit	artifact	bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb	application/x	4	1795508614.448039
local	aud_01M86AEDDBZY4S3XHGWFH92HJ5	unit_01M86AEDDX2MAA1BFN6GEAYADP	report.json	report	eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee	application/json	5	1795508614.601776
\.


--
-- Data for Name: idempotency; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.idempotency (tenant_id, endpoint, key, fingerprint, audit_id, created_at) FROM stdin;
local	POST /v1/audits	queued	fingerprint of key-0	aud_01M86AED63B6HR77ZCN7R9BE3N	1795508614.340592
local	POST /v1/audits	queued for another family	fingerprint of key-1	aud_01M86AED6GHHH30J2MK99ZDBFE	1795508614.352707
local	POST /v1/audits	past its deadline	fingerprint of key-2	aud_01M86AED6W7DT0ZZPWFB5Z6FXS	1795508614.365212
local	POST /v1/audits	with images	fingerprint of key-3	aud_01M86AED731K38RY7NM3J7FB9R	1795508614.372203
local	POST /v1/audits	in the middle	fingerprint of key-4	aud_01M86AED7888DZYRS40AX7NCHN	1795508614.377422
local	POST /v1/audits	being cancelled	fingerprint of key-5	aud_01M86AEDAG96D3PFBXA1PNKB13	1795508614.480851
local	POST /v1/audits	last	fingerprint of key-6	aud_01M86AEDCJE6AZTMFKYJ3MXVQC	1795508614.547485
local	POST /v1/audits	ended	fingerprint of key-7	aud_01M86AEDDBZY4S3XHGWFH92HJ5	1795508614.57275
local	POST /v1/audits	failed	fingerprint of key-8	aud_01M86AEDEM7151WHFYSFYG8GH4	1795508614.615557
another	POST /v1/audits	key-9	fingerprint of key-9	aud_01M86AEDFKWQ26TS4VDXCVSEXR	1795508614.644096
\.


--
-- Data for Name: methods; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.methods (tenant_id, engine, cards, published_at) FROM stdin;
local	engine-1	[{"kind": "nemo"}]	1795508614.338859
\.


--
-- Data for Name: models; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.models (tenant_id, id, card, published_at) FROM stdin;
local	bundled	{"id": "bundled", "family": "sd1", "digest": "dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd"}	1795508614.337046
local	other	{"id": "other", "family": "sdxl"}	1795508614.337851
\.


--
-- Data for Name: outbox; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.outbox (id, tenant_id, audit_id, unit_id, attempt, created_at, claimed_until) FROM stdin;
11	local	aud_01M86AED7888DZYRS40AX7NCHN	unit_01M86AED80471N4MV1BBS7WEFA	2	1795508614.442325	\N
12	local	aud_01M86AED7888DZYRS40AX7NCHN	unit_01M86AED8E72HBCVNEHHGV4M40	1	1795508614.462754	\N
13	local	aud_01M86AED7888DZYRS40AX7NCHN	unit_01M86AED8E72HBCVNEHHGV4M41	1	1795508614.462898	\N
14	local	aud_01M86AEDAG96D3PFBXA1PNKB13	unit_01M86AEDAM4CPGKCHYMJ6G66BY	1	1795508614.485254	\N
15	local	aud_01M86AEDAG96D3PFBXA1PNKB13	unit_01M86AEDB24KQ040G7BVEG40ZY	1	1795508614.500858	\N
16	local	aud_01M86AEDAG96D3PFBXA1PNKB13	unit_01M86AEDB24KQ040G7BVEG40ZZ	1	1795508614.500896	\N
17	local	aud_01M86AEDAG96D3PFBXA1PNKB13	unit_01M86AEDB519VC7JKP35ZQ88V7	1	1795508614.503735	\N
18	local	aud_01M86AEDAG96D3PFBXA1PNKB13	unit_01M86AEDB519VC7JKP35ZQ88V8	1	1795508614.50386	\N
19	local	aud_01M86AEDAG96D3PFBXA1PNKB13	unit_01M86AEDBBZ5TWGKRSQQ7S4ABZ	1	1795508614.512095	\N
20	local	aud_01M86AEDCJE6AZTMFKYJ3MXVQC	unit_01M86AEDCQKQNK7BXK4VHWV3V1	1	1795508614.552774	\N
21	local	aud_01M86AEDCJE6AZTMFKYJ3MXVQC	unit_01M86AEDD17VPKZCSPX89WXA06	1	1795508614.564216	\N
22	local	aud_01M86AEDDBZY4S3XHGWFH92HJ5	unit_01M86AEDDFRNJCPNWZKRGWCDS0	1	1795508614.579243	\N
23	local	aud_01M86AEDDBZY4S3XHGWFH92HJ5	unit_01M86AEDDX2MAA1BFN6GEAYADP	1	1795508614.596108	\N
24	local	aud_01M86AEDEM7151WHFYSFYG8GH4	unit_01M86AEDEX1Q3W81WX8ZYXFSJM	1	1795508614.622755	\N
25	another	aud_01M86AEDFKWQ26TS4VDXCVSEXR	unit_01M86AEDFPBH7ZK1B1M2HNNCQ7	1	1795508614.647376	\N
\.


--
-- Data for Name: stage_edges; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.stage_edges (tenant_id, audit_id, before, after) FROM stdin;
local	aud_01M86AED7888DZYRS40AX7NCHN	mitigate:nemo	probe:nemo
local	aud_01M86AED7888DZYRS40AX7NCHN	mitigate:wanda	probe:wanda
local	aud_01M86AED7888DZYRS40AX7NCHN	baseline	report
local	aud_01M86AED7888DZYRS40AX7NCHN	mitigate:nemo	report
local	aud_01M86AED7888DZYRS40AX7NCHN	probe:nemo	report
local	aud_01M86AED7888DZYRS40AX7NCHN	mitigate:wanda	report
local	aud_01M86AED7888DZYRS40AX7NCHN	probe:wanda	report
local	aud_01M86AEDAG96D3PFBXA1PNKB13	mitigate:nemo	probe:nemo
local	aud_01M86AEDAG96D3PFBXA1PNKB13	mitigate:wanda	probe:wanda
local	aud_01M86AEDAG96D3PFBXA1PNKB13	baseline	report
local	aud_01M86AEDAG96D3PFBXA1PNKB13	mitigate:nemo	report
local	aud_01M86AEDAG96D3PFBXA1PNKB13	probe:nemo	report
local	aud_01M86AEDAG96D3PFBXA1PNKB13	mitigate:wanda	report
local	aud_01M86AEDAG96D3PFBXA1PNKB13	probe:wanda	report
local	aud_01M86AEDCJE6AZTMFKYJ3MXVQC	plan	report
local	aud_01M86AEDDBZY4S3XHGWFH92HJ5	plan	report
\.


--
-- Data for Name: stages; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.stages (tenant_id, audit_id, name, ordinal, blockers, total, remaining) FROM stdin;
local	aud_01M86AED63B6HR77ZCN7R9BE3N	plan	0	0	1	1
local	aud_01M86AED6GHHH30J2MK99ZDBFE	plan	0	0	1	1
local	aud_01M86AED6W7DT0ZZPWFB5Z6FXS	plan	0	0	1	1
local	aud_01M86AED731K38RY7NM3J7FB9R	plan	0	0	1	1
local	aud_01M86AED7888DZYRS40AX7NCHN	probe:nemo	3	1	2	2
local	aud_01M86AED7888DZYRS40AX7NCHN	plan	0	0	1	0
local	aud_01M86AED7888DZYRS40AX7NCHN	baseline	1	0	2	1
local	aud_01M86AED7888DZYRS40AX7NCHN	mitigate:nemo	2	0	2	1
local	aud_01M86AED7888DZYRS40AX7NCHN	mitigate:wanda	4	0	1	0
local	aud_01M86AED7888DZYRS40AX7NCHN	report	6	4	1	1
local	aud_01M86AED7888DZYRS40AX7NCHN	probe:wanda	5	0	2	1
local	aud_01M86AEDAG96D3PFBXA1PNKB13	plan	0	0	1	0
local	aud_01M86AEDAG96D3PFBXA1PNKB13	baseline	1	0	2	1
local	aud_01M86AEDAG96D3PFBXA1PNKB13	mitigate:nemo	2	0	2	0
local	aud_01M86AEDAG96D3PFBXA1PNKB13	mitigate:wanda	4	0	1	0
local	aud_01M86AEDAG96D3PFBXA1PNKB13	probe:nemo	3	0	2	0
local	aud_01M86AEDAG96D3PFBXA1PNKB13	probe:wanda	5	0	2	0
local	aud_01M86AEDAG96D3PFBXA1PNKB13	report	6	1	1	1
local	aud_01M86AEDCJE6AZTMFKYJ3MXVQC	plan	0	0	1	0
local	aud_01M86AEDCJE6AZTMFKYJ3MXVQC	report	1	0	1	1
local	aud_01M86AEDDBZY4S3XHGWFH92HJ5	plan	0	0	1	0
local	aud_01M86AEDDBZY4S3XHGWFH92HJ5	report	1	0	1	0
local	aud_01M86AEDEM7151WHFYSFYG8GH4	plan	0	0	1	0
another	aud_01M86AEDFKWQ26TS4VDXCVSEXR	plan	0	0	1	1
\.


--
-- Data for Name: units; Type: TABLE DATA; Schema: public; Owner: -
--

COPY public.units (tenant_id, id, audit_id, stage, ordinal, kind, critical, payload, state, attempt, fence, owner, queued_at, leased_at, lease_expires_at, hard_deadline_at, finished_at, progress, result, error, detail) FROM stdin;
local	unit_01M86AED6BS1KMFKRV11SG1CJN	aud_01M86AED63B6HR77ZCN7R9BE3N	plan	0	plan	t	{}	queued	0	0	\N	1795508614.350276	\N	\N	\N	\N	0	\N	\N	\N
local	unit_01M86AED6QE9QYK5YZ749Z4PRA	aud_01M86AED6GHHH30J2MK99ZDBFE	plan	0	plan	t	{}	queued	0	0	\N	1795508614.361013	\N	\N	\N	\N	0	\N	\N	\N
local	unit_01M86AED71APPHM4HQ3F4QY8RX	aud_01M86AED6W7DT0ZZPWFB5Z6FXS	plan	0	plan	t	{}	queued	0	0	\N	1795508614.370528	\N	\N	\N	\N	0	\N	\N	\N
local	unit_01M86AED76B6PRNKZ04YGW79GG	aud_01M86AED731K38RY7NM3J7FB9R	plan	0	plan	t	{}	queued	0	0	\N	1795508614.375871	\N	\N	\N	\N	0	\N	\N	\N
local	unit_01M86AED7CGB38C3W5SCWE0FMD	aud_01M86AED7888DZYRS40AX7NCHN	plan	0	plan	t	{}	done	1	1	worker-1	1795508614.381232	1795508614.390646	1795508674.39065	1795509214.390651	1795508614.396709	1	{"n": 0}	\N	\N
local	unit_01M86AED8AKKSMXN8NVN14K6AD	aud_01M86AED7888DZYRS40AX7NCHN	probe:nemo	0	probe	f	{"mitigation": "nemo", "batch": 0}	waiting	0	0	\N	\N	\N	\N	\N	\N	0	\N	\N	\N
local	unit_01M86AED8AKKSMXN8NVN14K6AE	aud_01M86AED7888DZYRS40AX7NCHN	probe:nemo	1	probe	f	{"mitigation": "nemo", "batch": 1}	waiting	0	0	\N	\N	\N	\N	\N	\N	0	\N	\N	\N
local	unit_01M86AED8H1CAHQGR8BC795J4C	aud_01M86AED7888DZYRS40AX7NCHN	report	0	report	t	{"item": 0}	waiting	0	0	\N	\N	\N	\N	\N	\N	0	\N	\N	\N
local	unit_01M86AED80471N4MV1BBS7WEF9	aud_01M86AED7888DZYRS40AX7NCHN	baseline	0	baseline	f	{"batch": 0}	done	1	1	worker-1	1795508614.403876	1795508614.428622	1795508674.428627	1795509214.428628	1795508614.430973	1	{"n": 0}	\N	\N
local	unit_01M86AED80471N4MV1BBS7WEFA	aud_01M86AED7888DZYRS40AX7NCHN	baseline	1	baseline	f	{"batch": 1}	queued	1	1	\N	1795508614.440988	1795508614.436995	\N	1795509214.437001	\N	0	\N	\N	\N
local	unit_01M86AED868AAZ7JJ67GPXXKS6	aud_01M86AED7888DZYRS40AX7NCHN	mitigate:nemo	0	mitigate	f	{"mitigation": "nemo", "batch": 0}	done	1	1	worker-1	1795508614.407712	1795508614.445334	1795508674.445337	1795509214.445338	1795508614.447605	1	{"n": 0}	\N	\N
local	unit_01M86AED868AAZ7JJ67GPXXKS7	aud_01M86AED7888DZYRS40AX7NCHN	mitigate:nemo	1	mitigate	f	{"mitigation": "nemo", "batch": 1}	leased	1	1	worker-1	1795508614.407766	1795508614.451832	1795508674.45483	1795509214.451835	\N	0.25	\N	\N	\N
local	unit_01M86AED8B5QH3A47E2RKQJ7GH	aud_01M86AED7888DZYRS40AX7NCHN	mitigate:wanda	0	mitigate	f	{"mitigation": "wanda", "batch": null}	done	1	1	worker-1	1795508614.412544	1795508614.457679	1795508674.457682	1795509214.457683	1795508614.459907	1	{"n": 0}	\N	\N
local	unit_01M86AED8E72HBCVNEHHGV4M40	aud_01M86AED7888DZYRS40AX7NCHN	probe:wanda	0	probe	f	{"mitigation": "wanda", "batch": 0}	failed	1	1	worker-1	1795508614.462198	1795508614.465275	1795508674.465278	1795509214.465279	1795508614.46792	0	\N	OUT_OF_MEMORY	64 MB short
local	unit_01M86AED8E72HBCVNEHHGV4M41	aud_01M86AED7888DZYRS40AX7NCHN	probe:wanda	1	probe	f	{"mitigation": "wanda", "batch": 1}	leased	3	3	worker-1	1795508614.462226	1795508614.479113	1795508674.479114	1795509214.479115	\N	0	\N	\N	\N
local	unit_01M86AEDAM4CPGKCHYMJ6G66BY	aud_01M86AEDAG96D3PFBXA1PNKB13	plan	0	plan	t	{}	done	1	1	worker-1	1795508614.484896	1795508614.49055	1795508674.490553	1795509214.490554	1795508614.493937	1	{"n": 0}	\N	\N
local	unit_01M86AEDBK50B0ZEY98J7511MP	aud_01M86AEDAG96D3PFBXA1PNKB13	report	0	report	t	{"item": 0}	waiting	0	0	\N	\N	\N	\N	\N	\N	0	\N	\N	\N
local	unit_01M86AEDB24KQ040G7BVEG40ZY	aud_01M86AEDAG96D3PFBXA1PNKB13	baseline	0	baseline	f	{"batch": 0}	leased	1	1	worker-1	1795508614.499469	1795508614.526637	1795508674.526645	1795509214.526646	\N	0	\N	\N	\N
local	unit_01M86AEDB24KQ040G7BVEG40ZZ	aud_01M86AEDAG96D3PFBXA1PNKB13	baseline	1	baseline	f	{"batch": 1}	cancelled	0	0	\N	1795508614.499507	\N	\N	\N	1795508614.536546	0	\N	\N	\N
local	unit_01M86AEDB519VC7JKP35ZQ88V7	aud_01M86AEDAG96D3PFBXA1PNKB13	mitigate:nemo	0	mitigate	f	{"mitigation": "nemo", "batch": 0}	cancelled	0	0	\N	1795508614.502686	\N	\N	\N	1795508614.536585	0	\N	\N	\N
local	unit_01M86AEDB519VC7JKP35ZQ88V8	aud_01M86AEDAG96D3PFBXA1PNKB13	mitigate:nemo	1	mitigate	f	{"mitigation": "nemo", "batch": 1}	cancelled	0	0	\N	1795508614.502721	\N	\N	\N	1795508614.536597	0	\N	\N	\N
local	unit_01M86AEDBBZ5TWGKRSQQ7S4ABZ	aud_01M86AEDAG96D3PFBXA1PNKB13	mitigate:wanda	0	mitigate	f	{"mitigation": "wanda", "batch": null}	cancelled	0	0	\N	1795508614.507957	\N	\N	\N	1795508614.536605	0	\N	\N	\N
local	unit_01M86AEDB9694SRE9FEMEWHECK	aud_01M86AEDAG96D3PFBXA1PNKB13	probe:nemo	0	probe	f	{"mitigation": "nemo", "batch": 0}	cancelled	0	0	\N	\N	\N	\N	\N	1795508614.536622	0	\N	\N	\N
local	unit_01M86AEDB9694SRE9FEMEWHECM	aud_01M86AEDAG96D3PFBXA1PNKB13	probe:nemo	1	probe	f	{"mitigation": "nemo", "batch": 1}	cancelled	0	0	\N	\N	\N	\N	\N	1795508614.536629	0	\N	\N	\N
local	unit_01M86AEDBHQWHRNTF1TYQ1BEJY	aud_01M86AEDAG96D3PFBXA1PNKB13	probe:wanda	0	probe	f	{"mitigation": "wanda", "batch": 0}	cancelled	0	0	\N	\N	\N	\N	\N	1795508614.536636	0	\N	\N	\N
local	unit_01M86AEDBHQWHRNTF1TYQ1BEJZ	aud_01M86AEDAG96D3PFBXA1PNKB13	probe:wanda	1	probe	f	{"mitigation": "wanda", "batch": 1}	cancelled	0	0	\N	\N	\N	\N	\N	1795508614.536643	0	\N	\N	\N
local	unit_01M86AEDCQKQNK7BXK4VHWV3V1	aud_01M86AEDCJE6AZTMFKYJ3MXVQC	plan	0	plan	t	{}	done	1	1	worker-1	1795508614.552445	1795508614.556989	1795508674.556991	1795509214.556992	1795508614.55906	1	{"n": 0}	\N	\N
local	unit_01M86AEDD17VPKZCSPX89WXA06	aud_01M86AEDCJE6AZTMFKYJ3MXVQC	report	0	report	t	{"item": 0}	leased	1	1	worker-1	1795508614.563791	1795508614.568281	1795508674.568287	1795509214.568288	\N	0	\N	\N	\N
local	unit_01M86AEDDFRNJCPNWZKRGWCDS0	aud_01M86AEDDBZY4S3XHGWFH92HJ5	plan	0	plan	t	{}	done	1	1	worker-1	1795508614.576154	1795508614.584446	1795508674.584449	1795509214.58445	1795508614.587717	1	{"n": 0}	\N	\N
local	unit_01M86AEDDX2MAA1BFN6GEAYADP	aud_01M86AEDDBZY4S3XHGWFH92HJ5	report	0	report	t	{"item": 0}	done	1	1	worker-1	1795508614.595709	1795508614.598688	1795508674.598691	1795509214.598692	1795508614.601296	1	{"n": 0}	\N	\N
local	unit_01M86AEDEX1Q3W81WX8ZYXFSJM	aud_01M86AEDEM7151WHFYSFYG8GH4	plan	0	plan	t	{}	failed	1	1	worker-1	1795508614.622316	1795508614.628297	1795508674.6283	1795509214.628301	1795508614.632752	0	\N	OUT_OF_MEMORY	64 MB short
another	unit_01M86AEDFPBH7ZK1B1M2HNNCQ7	aud_01M86AEDFKWQ26TS4VDXCVSEXR	plan	0	plan	t	{}	queued	0	0	\N	1795508614.647031	\N	\N	\N	\N	0	\N	\N	\N
\.


--
-- Name: outbox_id_seq; Type: SEQUENCE SET; Schema: public; Owner: -
--

SELECT pg_catalog.setval('public.outbox_id_seq', 25, true);


--
-- Name: alembic_version alembic_version_pkc; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.alembic_version
    ADD CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num);


--
-- Name: audits pk_audits; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.audits
    ADD CONSTRAINT pk_audits PRIMARY KEY (tenant_id, id);


--
-- Name: events pk_events; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.events
    ADD CONSTRAINT pk_events PRIMARY KEY (tenant_id, audit_id, seq);


--
-- Name: evidence pk_evidence; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.evidence
    ADD CONSTRAINT pk_evidence PRIMARY KEY (tenant_id, unit_id, name);


--
-- Name: idempotency pk_idempotency; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.idempotency
    ADD CONSTRAINT pk_idempotency PRIMARY KEY (tenant_id, endpoint, key);


--
-- Name: methods pk_methods; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.methods
    ADD CONSTRAINT pk_methods PRIMARY KEY (tenant_id, engine);


--
-- Name: models pk_models; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.models
    ADD CONSTRAINT pk_models PRIMARY KEY (tenant_id, id);


--
-- Name: outbox pk_outbox; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.outbox
    ADD CONSTRAINT pk_outbox PRIMARY KEY (id);


--
-- Name: stage_edges pk_stage_edges; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.stage_edges
    ADD CONSTRAINT pk_stage_edges PRIMARY KEY (tenant_id, audit_id, before, after);


--
-- Name: stages pk_stages; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.stages
    ADD CONSTRAINT pk_stages PRIMARY KEY (tenant_id, audit_id, name);


--
-- Name: units pk_units; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.units
    ADD CONSTRAINT pk_units PRIMARY KEY (tenant_id, id);


--
-- Name: ix_audits_state_deadline_at; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_audits_state_deadline_at ON public.audits USING btree (state, deadline_at);


--
-- Name: ix_audits_tenant_id_request_digest; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_audits_tenant_id_request_digest ON public.audits USING btree (tenant_id, request_digest);


--
-- Name: ix_evidence_tenant_id_audit_id_digest; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_evidence_tenant_id_audit_id_digest ON public.evidence USING btree (tenant_id, audit_id, digest);


--
-- Name: ix_outbox_tenant_id_unit_id; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_outbox_tenant_id_unit_id ON public.outbox USING btree (tenant_id, unit_id);


--
-- Name: ix_units_state_lease_expires_at; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_units_state_lease_expires_at ON public.units USING btree (state, lease_expires_at);


--
-- Name: ix_units_state_queued_at; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_units_state_queued_at ON public.units USING btree (state, queued_at);


--
-- Name: ix_units_tenant_id_audit_id_stage_ordinal; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX ix_units_tenant_id_audit_id_stage_ordinal ON public.units USING btree (tenant_id, audit_id, stage, ordinal);


--
-- Name: events fk_events_tenant_id_audit_id; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.events
    ADD CONSTRAINT fk_events_tenant_id_audit_id FOREIGN KEY (tenant_id, audit_id) REFERENCES public.audits(tenant_id, id);


--
-- Name: stage_edges fk_stage_edges_tenant_id_audit_id; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.stage_edges
    ADD CONSTRAINT fk_stage_edges_tenant_id_audit_id FOREIGN KEY (tenant_id, audit_id) REFERENCES public.audits(tenant_id, id);


--
-- Name: stages fk_stages_tenant_id_audit_id; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.stages
    ADD CONSTRAINT fk_stages_tenant_id_audit_id FOREIGN KEY (tenant_id, audit_id) REFERENCES public.audits(tenant_id, id);


--
-- Name: units fk_units_tenant_id_audit_id; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.units
    ADD CONSTRAINT fk_units_tenant_id_audit_id FOREIGN KEY (tenant_id, audit_id) REFERENCES public.audits(tenant_id, id);


--
-- PostgreSQL database dump complete
--

\unrestrict szKBjgpX9cbrvbsx9VeEs3gweccnGs1e3ubIoC6ewgf7FbgeisQkD5M4CXXAY9m

