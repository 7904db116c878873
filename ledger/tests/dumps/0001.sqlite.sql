BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0001');
CREATE TABLE audits (
	tenant_id VARCHAR(64) NOT NULL, 
	id VARCHAR(40) NOT NULL, 
	state VARCHAR(16) NOT NULL, 
	ending VARCHAR(16) DEFAULT 'succeeded' NOT NULL, 
	revision INTEGER DEFAULT '0' NOT NULL, 
	event_seq INTEGER DEFAULT '0' NOT NULL, 
	model_id VARCHAR(200) NOT NULL, 
	request JSON NOT NULL, 
	request_digest VARCHAR(64) NOT NULL, 
	labels JSON NOT NULL, 
	engine VARCHAR(64), 
	outcome VARCHAR(32), 
	result_digest VARCHAR(64), 
	report_digest VARCHAR(64), 
	error VARCHAR(64), 
	detail TEXT, 
	created_at FLOAT NOT NULL, 
	started_at FLOAT, 
	finished_at FLOAT, 
	deadline_at FLOAT, 
	CONSTRAINT pk_audits PRIMARY KEY (tenant_id, id)
);
INSERT INTO "audits" VALUES('local','aud_01M86AEBH7S5YKBKJ6CFG07C11','queued','succeeded',1,1,'bundled','{"model": "bundled", "target_set": "bundled:first-targets", "control_set": "bundled:first-controls", "mitigations": [{"kind": "nemo", "seeds": 4, "theta_min": 0.25}, {"kind": "wanda", "sparsity": 0.1}], "probes": [{"kind": "prompt"}, {"kind": "adversarial_embedding", "starts": ["gaussian"], "steps": 50}], "effort": "quick", "labels": {"purpose": "first-audit"}}','dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd','{"example": "queued"}',NULL,NULL,NULL,NULL,NULL,NULL,1.79550861264899969107e+09,NULL,NULL,NULL);
INSERT INTO "audits" VALUES('local','aud_01M86AEBHFDX3SBGZC6KGER287','queued','succeeded',1,1,'other','{"model": "other", "target_set": "bundled:first-targets", "control_set": "bundled:first-controls", "mitigations": [{"kind": "nemo", "seeds": 4, "theta_min": 0.25}, {"kind": "wanda", "sparsity": 0.1}], "probes": [{"kind": "prompt"}, {"kind": "adversarial_embedding", "starts": ["gaussian"], "steps": 50}], "effort": "quick", "labels": {"purpose": "first-audit"}}','dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd','{"example": "queued for another family"}',NULL,NULL,NULL,NULL,NULL,NULL,1.7955086126560001373e+09,NULL,NULL,NULL);
INSERT INTO "audits" VALUES('local','aud_01M86AEBHQVYGXWQ3Y255BY14V','queued','succeeded',1,1,'bundled','{"model": "bundled", "target_set": "bundled:first-targets", "control_set": "bundled:first-controls", "mitigations": [{"kind": "nemo", "seeds": 4, "theta_min": 0.25}, {"kind": "wanda", "sparsity": 0.1}], "probes": [{"kind": "prompt"}, {"kind": "adversarial_embedding", "starts": ["gaussian"], "steps": 50}], "effort": "quick", "labels": {"purpose": "first-audit"}}','dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd','{"example": "past its deadline"}',NULL,NULL,NULL,NULL,NULL,NULL,1.79550861266501235956e+09,NULL,NULL,1.79550861166501235966e+09);
INSERT INTO "audits" VALUES('local','aud_01M86AEBHZGB2DJNEEC8QCSRZK','queued','succeeded',1,1,'bundled','{"model": "bundled", "target_set": null, "control_set": "bundled:first-controls", "mitigations": [{"kind": "nemo", "seeds": 4, "theta_min": 0.25}, {"kind": "wanda", "sparsity": 0.1}], "probes": [{"kind": "prompt"}, {"kind": "adversarial_embedding", "starts": ["gaussian"], "steps": 50}], "effort": "quick", "labels": {"purpose": "first-audit"}, "targets": [{"prompt": "a", "images": [{"media_type": "image/png", "sha256": "1111111111111111111111111111111111111111111111111111111111111111"}, {"media_type": "image/png", "sha256": "2222222222222222222222222222222222222222222222222222222222222222"}]}]}','dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd','{"example": "with images"}',NULL,NULL,NULL,NULL,NULL,NULL,1.79550861267201304432e+09,NULL,NULL,NULL);
INSERT INTO "audits" VALUES('local','aud_01M86AEBJ7HE07MS8SCM9CP1QB','running','succeeded',20,19,'bundled','{"model": "bundled", "target_set": "bundled:first-targets", "control_set": "bundled:first-controls", "mitigations": [{"kind": "nemo", "seeds": 4, "theta_min": 0.25}, {"kind": "wanda", "sparsity": 0.1}], "probes": [{"kind": "prompt"}, {"kind": "adversarial_embedding", "starts": ["gaussian"], "steps": 50}], "effort": "quick", "labels": {"purpose": "first-audit"}}','dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd','{"example": "in the middle"}','engine-1',NULL,NULL,NULL,NULL,NULL,1.79550861268001937863e+09,1.79550861268999719625e+09,NULL,NULL);
INSERT INTO "audits" VALUES('local','aud_01M86AEBP39R1Q42WV3A6N7D2F','cancelling','cancelled',6,6,'bundled','{"model": "bundled", "target_set": "bundled:first-targets", "control_set": "bundled:first-controls", "mitigations": [{"kind": "nemo", "seeds": 4, "theta_min": 0.25}, {"kind": "wanda", "sparsity": 0.1}], "probes": [{"kind": "prompt"}, {"kind": "adversarial_embedding", "starts": ["gaussian"], "steps": 50}], "effort": "quick", "labels": {"purpose": "first-audit"}}','dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd','{"example": "being cancelled"}','engine-1',NULL,NULL,NULL,NULL,NULL,1.79550861280401802058e+09,1.79550861280800104144e+09,NULL,NULL);
INSERT INTO "audits" VALUES('local','aud_01M86AEBQ3C1YMP3ZPYPKJGCKT','running','succeeded',5,5,'bundled','{"model": "bundled", "target_set": "bundled:first-targets", "control_set": "bundled:first-controls", "mitigations": [{"kind": "nemo", "seeds": 4, "theta_min": 0.25}, {"kind": "wanda", "sparsity": 0.1}], "probes": [{"kind": "prompt"}, {"kind": "adversarial_embedding", "starts": ["gaussian"], "steps": 50}], "effort": "quick", "labels": {"purpose": "first-audit"}}','dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd','{"example": "before its report"}','engine-1',NULL,NULL,NULL,NULL,NULL,1.79550861283700919149e+09,1.7955086128419981003e+09,NULL,NULL);
INSERT INTO "audits" VALUES('local','aud_01M86AEBQVPH5H82EQH5YAQ76B','succeeded','succeeded',7,7,'bundled','{"model": "bundled", "target_set": "bundled:first-targets", "control_set": "bundled:first-controls", "mitigations": [{"kind": "nemo", "seeds": 4, "theta_min": 0.25}, {"kind": "wanda", "sparsity": 0.1}], "probes": [{"kind": "prompt"}, {"kind": "adversarial_embedding", "starts": ["gaussian"], "steps": 50}], "effort": "quick", "labels": {"purpose": "first-audit"}}','dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd','{"example": "succeeded"}','engine-1','finding','rrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrr','eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee',NULL,NULL,1.79550861285998225209e+09,1.79550861286400556559e+09,1.79550861288098382957e+09,NULL);
INSERT INTO "audits" VALUES('local','aud_01M86AEBRQ7EG3TT0RJRDPGWX9','failed','succeeded',5,5,'bundled','{"model": "bundled", "target_set": "bundled:first-targets", "control_set": "bundled:first-controls", "mitigations": [{"kind": "nemo", "seeds": 4, "theta_min": 0.25}, {"kind": "wanda", "sparsity": 0.1}], "probes": [{"kind": "prompt"}, {"kind": "adversarial_embedding", "starts": ["gaussian"], "steps": 50}], "effort": "quick", "labels": {"purpose": "first-audit"}}','dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd','{"example": "failed"}','engine-1','error',NULL,NULL,'OUT_OF_MEMORY','64 MB short',1.79550861288798451419e+09,1.79550861289200782778e+09,1.79550861290198564531e+09,NULL);
INSERT INTO "audits" VALUES('another','aud_01M86AEBSCJJJ56SWE4XVQCHYZ','queued','succeeded',1,1,'bundled','{"model": "bundled", "target_set": "bundled:first-targets", "control_set": "bundled:first-controls", "mitigations": [{"kind": "nemo", "seeds": 4, "theta_min": 0.25}, {"kind": "wanda", "sparsity": 0.1}], "probes": [{"kind": "prompt"}, {"kind": "adversarial_embedding", "starts": ["gaussian"], "steps": 50}], "effort": "quick", "labels": {"purpose": "first-audit"}}','dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd','{"example": "queued"}',NULL,NULL,NULL,NULL,NULL,NULL,1.79550861290798044207e+09,NULL,NULL,NULL);
CREATE TABLE events (
	tenant_id VARCHAR(64) NOT NULL, 
	audit_id VARCHAR(40) NOT NULL, 
	seq INTEGER NOT NULL, 
	type VARCHAR(64) NOT NULL, 
	data JSON NOT NULL, 
	at FLOAT NOT NULL, 
	CONSTRAINT pk_events PRIMARY KEY (tenant_id, audit_id, seq), 
	CONSTRAINT fk_events_tenant_id_audit_id FOREIGN KEY(tenant_id, audit_id) REFERENCES audits (tenant_id, id)
);
INSERT INTO "events" VALUES('local','aud_01M86AEBH7S5YKBKJ6CFG07C11',1,'audit.queued','{}',1.79550861265000557902e+09);
INSERT INTO "events" VALUES('local','aud_01M86AEBHFDX3SBGZC6KGER287',1,'audit.queued','{}',1.7955086126560001373e+09);
INSERT INTO "events" VALUES('local','aud_01M86AEBHQVYGXWQ3Y255BY14V',1,'audit.queued','{}',1.79550861266501235956e+09);
INSERT INTO "events" VALUES('local','aud_01M86AEBHZGB2DJNEEC8QCSRZK',1,'audit.queued','{}',1.79550861267201304432e+09);
INSERT INTO "events" VALUES('local','aud_01M86AEBJ7HE07MS8SCM9CP1QB',1,'audit.queued','{}',1.79550861268001937863e+09);
INSERT INTO "events" VALUES('local','aud_01M86AEBJ7HE07MS8SCM9CP1QB',2,'audit.running','{}',1.7955086126910030842e+09);
INSERT INTO "events" VALUES('local','aud_01M86AEBJ7HE07MS8SCM9CP1QB',3,'unit.started','{"stage": "plan", "ordinal": 0, "attempt": 1}',1.79550861269301462175e+09);
INSERT INTO "events" VALUES('local','aud_01M86AEBJ7HE07MS8SCM9CP1QB',4,'unit.done','{"stage": "plan", "ordinal": 0, "attempt": 1}',1.79550861269699788087e+09);
INSERT INTO "events" VALUES('local','aud_01M86AEBJ7HE07MS8SCM9CP1QB',5,'unit.started','{"stage": "baseline", "ordinal": 0, "attempt": 1}',1.79550861271699380879e+09);
INSERT INTO "events" VALUES('local','aud_01M86AEBJ7HE07MS8SCM9CP1QB',6,'unit.done','{"stage": "baseline", "ordinal": 0, "attempt": 1}',1.7955086127250001431e+09);
INSERT INTO "events" VALUES('local','aud_01M86AEBJ7HE07MS8SCM9CP1QB',7,'unit.started','{"stage": "baseline", "ordinal": 1, "attempt": 1}',1.79550861273300647741e+09);
INSERT INTO "events" VALUES('local','aud_01M86AEBJ7HE07MS8SCM9CP1QB',8,'unit.retried','{"stage": "baseline", "ordinal": 1, "attempt": 1, "code": "OUT_OF_MEMORY"}',1.79550861273698949809e+09);
INSERT INTO "events" VALUES('local','aud_01M86AEBJ7HE07MS8SCM9CP1QB',9,'unit.started','{"stage": "mitigate:nemo", "ordinal": 0, "attempt": 1}',1.7955086127429842949e+09);
INSERT INTO "events" VALUES('local','aud_01M86AEBJ7HE07MS8SCM9CP1QB',10,'unit.done','{"stage": "mitigate:nemo", "ordinal": 0, "attempt": 1}',1.79550861274801349634e+09);
INSERT INTO "events" VALUES('local','aud_01M86AEBJ7HE07MS8SCM9CP1QB',11,'unit.started','{"stage": "mitigate:nemo", "ordinal": 1, "attempt": 1}',1.79550861275300240515e+09);
INSERT INTO "events" VALUES('local','aud_01M86AEBJ7HE07MS8SCM9CP1QB',12,'unit.started','{"stage": "mitigate:wanda", "ordinal": 0, "attempt": 1}',1.79550861276100873946e+09);
INSERT INTO "events" VALUES('local','aud_01M86AEBJ7HE07MS8SCM9CP1QB',13,'unit.done','{"stage": "mitigate:wanda", "ordinal": 0, "attempt": 1}',1.79550861276800918578e+09);
INSERT INTO "events" VALUES('local','aud_01M86AEBJ7HE07MS8SCM9CP1QB',14,'unit.started','{"stage": "probe:wanda", "ordinal": 0, "attempt": 1}',1.79550861277199244494e+09);
INSERT INTO "events" VALUES('local','aud_01M86AEBJ7HE07MS8SCM9CP1QB',15,'unit.failed','{"stage": "probe:wanda", "ordinal": 0, "attempt": 1, "code": "OUT_OF_MEMORY"}',1.79550861277698135375e+09);
INSERT INTO "events" VALUES('local','aud_01M86AEBJ7HE07MS8SCM9CP1QB',16,'unit.started','{"stage": "probe:wanda", "ordinal": 1, "attempt": 1}',1.79550861278498768806e+09);
INSERT INTO "events" VALUES('local','aud_01M86AEBJ7HE07MS8SCM9CP1QB',17,'unit.started','{"stage": "probe:wanda", "ordinal": 1, "attempt": 2}',1795508612.794);
INSERT INTO "events" VALUES('local','aud_01M86AEBJ7HE07MS8SCM9CP1QB',18,'unit.started','{"stage": "probe:wanda", "ordinal": 1, "attempt": 3}',1.79550861280100059512e+09);
INSERT INTO "events" VALUES('local','aud_01M86AEBP39R1Q42WV3A6N7D2F',1,'audit.queued','{}',1.79550861280401802058e+09);
INSERT INTO "events" VALUES('local','aud_01M86AEBP39R1Q42WV3A6N7D2F',2,'audit.running','{}',1.79550861280800104144e+09);
INSERT INTO "events" VALUES('local','aud_01M86AEBP39R1Q42WV3A6N7D2F',3,'unit.started','{"stage": "plan", "ordinal": 0, "attempt": 1}',1.79550861280900692943e+09);
INSERT INTO "events" VALUES('local','aud_01M86AEBP39R1Q42WV3A6N7D2F',4,'unit.done','{"stage": "plan", "ordinal": 0, "attempt": 1}',1.79550861281600737575e+09);
INSERT INTO "events" VALUES('local','aud_01M86AEBP39R1Q42WV3A6N7D2F',5,'unit.started','{"stage": "baseline", "ordinal": 0, "attempt": 1}',1.79550861282501959806e+09);
INSERT INTO "events" VALUES('local','aud_01M86AEBP39R1Q42WV3A6N7D2F',6,'audit.cancelling','{"ending": "cancelled"}',1.79550861282799696918e+09);
INSERT INTO "events" VALUES('local','aud_01M86AEBQ3C1YMP3ZPYPKJGCKT',1,'audit.queued','{}',1.79550861283801507948e+09);
INSERT INTO "events" VALUES('local','aud_01M86AEBQ3C1YMP3ZPYPKJGCKT',2,'audit.running','{}',1.79550861284300374985e+09);
INSERT INTO "events" VALUES('local','aud_01M86AEBQ3C1YMP3ZPYPKJGCKT',3,'unit.started','{"stage": "plan", "ordinal": 0, "attempt": 1}',1.7955086128440096378e+09);
INSERT INTO "events" VALUES('local','aud_01M86AEBQ3C1YMP3ZPYPKJGCKT',4,'unit.done','{"stage": "plan", "ordinal": 0, "attempt": 1}',1.7955086128479928971e+09);
INSERT INTO "events" VALUES('local','aud_01M86AEBQ3C1YMP3ZPYPKJGCKT',5,'unit.started','{"stage": "report", "ordinal": 0, "attempt": 1}',1.79550861285700511936e+09);
INSERT INTO "events" VALUES('local','aud_01M86AEBQVPH5H82EQH5YAQ76B',1,'audit.queued','{}',1.79550861285998225209e+09);
INSERT INTO "events" VALUES('local','aud_01M86AEBQVPH5H82EQH5YAQ76B',2,'audit.running','{}',1.79550861286400556559e+09);
INSERT INTO "events" VALUES('local','aud_01M86AEBQVPH5H82EQH5YAQ76B',3,'unit.started','{"stage": "plan", "ordinal": 0, "attempt": 1}',1.79550861286501145367e+09);
INSERT INTO "events" VALUES('local','aud_01M86AEBQVPH5H82EQH5YAQ76B',4,'unit.done','{"stage": "plan", "ordinal": 0, "attempt": 1}',1.7955086128689944744e+09);
INSERT INTO "events" VALUES('local','aud_01M86AEBQVPH5H82EQH5YAQ76B',5,'unit.started','{"stage": "report", "ordinal": 0, "attempt": 1}',1.79550861287700080871e+09);
INSERT INTO "events" VALUES('local','aud_01M86AEBQVPH5H82EQH5YAQ76B',6,'unit.done','{"stage": "report", "ordinal": 0, "attempt": 1}',1.79550861288001823421e+09);
INSERT INTO "events" VALUES('local','aud_01M86AEBQVPH5H82EQH5YAQ76B',7,'audit.succeeded','{"outcome": "finding"}',1.79550861288198971752e+09);
INSERT INTO "events" VALUES('local','aud_01M86AEBRQ7EG3TT0RJRDPGWX9',1,'audit.queued','{}',1.79550861288798451419e+09);
INSERT INTO "events" VALUES('local','aud_01M86AEBRQ7EG3TT0RJRDPGWX9',2,'audit.running','{}',1.79550861289200782778e+09);
INSERT INTO "events" VALUES('local','aud_01M86AEBRQ7EG3TT0RJRDPGWX9',3,'unit.started','{"stage": "plan", "ordinal": 0, "attempt": 1}',1.79550861289301371577e+09);
INSERT INTO "events" VALUES('local','aud_01M86AEBRQ7EG3TT0RJRDPGWX9',4,'unit.failed','{"stage": "plan", "ordinal": 0, "attempt": 1, "code": "OUT_OF_MEMORY"}',1795508612.90102);
INSERT INTO "events" VALUES('local','aud_01M86AEBRQ7EG3TT0RJRDPGWX9',5,'audit.failed','{"code": "OUT_OF_MEMORY"}',1.79550861290198564531e+09);
INSERT INTO "events" VALUES('local','aud_01M86AEBJ7HE07MS8SCM9CP1QB',19,'note','{"in": "flight"}',1.79550861290798044207e+09);
INSERT INTO "events" VALUES('another','aud_01M86AEBSCJJJ56SWE4XVQCHYZ',1,'audit.queued','{}',1.79550861290798044207e+09);
CREATE TABLE evidence (
	tenant_id VARCHAR(64) NOT NULL, 
	audit_id VARCHAR(40) NOT NULL, 
	unit_id VARCHAR(40) NOT NULL, 
	name VARCHAR(200) NOT NULL, 
	kind VARCHAR(32) NOT NULL, 
	digest VARCHAR(64) NOT NULL, 
	media_type VARCHAR(100) NOT NULL, 
	size BIGINT NOT NULL, 
	created_at FLOAT NOT NULL, 
	CONSTRAINT pk_evidence PRIMARY KEY (tenant_id, unit_id, name)
);
INSERT INTO "evidence" VALUES('local','aud_01M86AEBJ7HE07MS8SCM9CP1QB','unit_01M86AEBJSDZAJJRQ5M0XQQ5Q5','image-0','image','aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa','image/png',3,1.7955086127250001431e+09);
INSERT INTO "evidence" VALUES('local','aud_01M86AEBJ7HE07MS8SCM9CP1QB','unit_01M86AEBJTXK0AR262RF900CEP','edit','artifact','bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb','application/x',4,1.79550861274801349634e+09);
INSERT INTO "evidence" VALUES('local','aud_01M86AEBQVPH5H82EQH5YAQ76B','unit_01M86AEBR607135TQX8TBE14B4','report.json','report','eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee','application/json',5,1.79550861288001823421e+09);
CREATE TABLE idempotency (
	tenant_id VARCHAR(64) NOT NULL, 
	endpoint VARCHAR(100) NOT NULL, 
	"key" VARCHAR(255) NOT NULL, 
	fingerprint VARCHAR(64) NOT NULL, 
	audit_id VARCHAR(40) NOT NULL, 
	created_at FLOAT NOT NULL, 
	CONSTRAINT pk_idempotency PRIMARY KEY (tenant_id, endpoint, "key")
);
INSERT INTO "idempotency" VALUES('local','POST /v1/audits','queued','fingerprint of key-0','aud_01M86AEBH7S5YKBKJ6CFG07C11',1.79550861264799380299e+09);
INSERT INTO "idempotency" VALUES('local','POST /v1/audits','queued for another family','fingerprint of key-1','aud_01M86AEBHFDX3SBGZC6KGER287',1.79550861265499448774e+09);
INSERT INTO "idempotency" VALUES('local','POST /v1/audits','past its deadline','fingerprint of key-2','aud_01M86AEBHQVYGXWQ3Y255BY14V',1.79550861266400671001e+09);
INSERT INTO "idempotency" VALUES('local','POST /v1/audits','with images','fingerprint of key-3','aud_01M86AEBHZGB2DJNEEC8QCSRZK',1.79550861267100715637e+09);
INSERT INTO "idempotency" VALUES('local','POST /v1/audits','in the middle','fingerprint of key-4','aud_01M86AEBJ7HE07MS8SCM9CP1QB',1.79550861267901372907e+09);
INSERT INTO "idempotency" VALUES('local','POST /v1/audits','being cancelled','fingerprint of key-5','aud_01M86AEBP39R1Q42WV3A6N7D2F',1.79550861280301213263e+09);
INSERT INTO "idempotency" VALUES('local','POST /v1/audits','last','fingerprint of key-6','aud_01M86AEBQ3C1YMP3ZPYPKJGCKT',1.79550861283600330349e+09);
INSERT INTO "idempotency" VALUES('local','POST /v1/audits','ended','fingerprint of key-7','aud_01M86AEBQVPH5H82EQH5YAQ76B',1.79550861285901665687e+09);
INSERT INTO "idempotency" VALUES('local','POST /v1/audits','failed','fingerprint of key-8','aud_01M86AEBRQ7EG3TT0RJRDPGWX9',1.79550861288701891897e+09);
INSERT INTO "idempotency" VALUES('another','POST /v1/audits','key-9','fingerprint of key-9','aud_01M86AEBSCJJJ56SWE4XVQCHYZ',1.79550861290798044207e+09);
CREATE TABLE methods (
	tenant_id VARCHAR(64) NOT NULL, 
	engine VARCHAR(64) NOT NULL, 
	cards JSON NOT NULL, 
	published_at FLOAT NOT NULL, 
	CONSTRAINT pk_methods PRIMARY KEY (tenant_id, engine)
);
INSERT INTO "methods" VALUES('local','engine-1','[{"kind": "nemo"}]',1.79550861264501667021e+09);
CREATE TABLE models (
	tenant_id VARCHAR(64) NOT NULL, 
	id VARCHAR(200) NOT NULL, 
	card JSON NOT NULL, 
	published_at FLOAT NOT NULL, 
	CONSTRAINT pk_models PRIMARY KEY (tenant_id, id)
);
INSERT INTO "models" VALUES('local','bundled','{"id": "bundled", "family": "sd1", "digest": "dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd"}',1.79550861264401078222e+09);
INSERT INTO "models" VALUES('local','other','{"id": "other", "family": "sdxl"}',1.79550861264401078222e+09);
CREATE TABLE outbox (
	id INTEGER NOT NULL, 
	tenant_id VARCHAR(64) NOT NULL, 
	audit_id VARCHAR(40) NOT NULL, 
	unit_id VARCHAR(40) NOT NULL, 
	attempt INTEGER NOT NULL, 
	created_at FLOAT NOT NULL, 
	claimed_until FLOAT, 
	CONSTRAINT pk_outbox PRIMARY KEY (id)
);
INSERT INTO "outbox" VALUES(1,'local','aud_01M86AEBJ7HE07MS8SCM9CP1QB','unit_01M86AEBJSDZAJJRQ5M0XQQ5Q6',2,1.79550861273698949809e+09,NULL);
INSERT INTO "outbox" VALUES(2,'local','aud_01M86AEBJ7HE07MS8SCM9CP1QB','unit_01M86AEBJW2DJEZ0A8YFM132GN',1,1.79550861276901507377e+09,NULL);
INSERT INTO "outbox" VALUES(3,'local','aud_01M86AEBJ7HE07MS8SCM9CP1QB','unit_01M86AEBJW2DJEZ0A8YFM132GP',1,1.79550861276901507377e+09,NULL);
INSERT INTO "outbox" VALUES(4,'local','aud_01M86AEBP39R1Q42WV3A6N7D2F','unit_01M86AEBP42CZ651EM0ERKS7ZX',1,1.79550861280498361581e+09,NULL);
INSERT INTO "outbox" VALUES(5,'local','aud_01M86AEBP39R1Q42WV3A6N7D2F','unit_01M86AEBPHY0N3W46VNM0S3C5X',1,1.79550861281701326374e+09,NULL);
INSERT INTO "outbox" VALUES(6,'local','aud_01M86AEBP39R1Q42WV3A6N7D2F','unit_01M86AEBPHY0N3W46VNM0S3C5Y',1,1.79550861281701326374e+09,NULL);
INSERT INTO "outbox" VALUES(7,'local','aud_01M86AEBP39R1Q42WV3A6N7D2F','unit_01M86AEBPHY0N3W46VNM0S3C5Z',1,1.7955086128180191517e+09,NULL);
INSERT INTO "outbox" VALUES(8,'local','aud_01M86AEBP39R1Q42WV3A6N7D2F','unit_01M86AEBPHY0N3W46VNM0S3C60',1,1.7955086128180191517e+09,NULL);
INSERT INTO "outbox" VALUES(9,'local','aud_01M86AEBP39R1Q42WV3A6N7D2F','unit_01M86AEBPJARJ6PFQ5MJ1K0CBV',1,1.79550861281898474692e+09,NULL);
INSERT INTO "outbox" VALUES(10,'local','aud_01M86AEBQ3C1YMP3ZPYPKJGCKT','unit_01M86AEBQ7TF35QD80XWJNJRYX',1,1.79550861283898067471e+09,NULL);
INSERT INTO "outbox" VALUES(11,'local','aud_01M86AEBQ3C1YMP3ZPYPKJGCKT','unit_01M86AEBQH2HJDDDXT2Q30P4G2',1,1.79550861285000443461e+09,NULL);
INSERT INTO "outbox" VALUES(12,'local','aud_01M86AEBQVPH5H82EQH5YAQ76B','unit_01M86AEBQW582S5KE45QQQ3JEE',1,1.79550861286098814009e+09,NULL);
INSERT INTO "outbox" VALUES(13,'local','aud_01M86AEBQVPH5H82EQH5YAQ76B','unit_01M86AEBR607135TQX8TBE14B4',1,1.79550861287000036239e+09,NULL);
INSERT INTO "outbox" VALUES(14,'local','aud_01M86AEBRQ7EG3TT0RJRDPGWX9','unit_01M86AEBRRJZFH21AT8SHA6QXH',1,1.79550861288899040214e+09,NULL);
INSERT INTO "outbox" VALUES(15,'another','aud_01M86AEBSCJJJ56SWE4XVQCHYZ','unit_01M86AEBSDH634V8WM79842KCJ',1,1.79550861290898609162e+09,NULL);
CREATE TABLE stage_edges (
	tenant_id VARCHAR(64) NOT NULL, 
	audit_id VARCHAR(40) NOT NULL, 
	"before" VARCHAR(100) NOT NULL, 
	"after" VARCHAR(100) NOT NULL, 
	CONSTRAINT pk_stage_edges PRIMARY KEY (tenant_id, audit_id, "before", "after"), 
	CONSTRAINT fk_stage_edges_tenant_id_audit_id FOREIGN KEY(tenant_id, audit_id) REFERENCES audits (tenant_id, id)
);
INSERT INTO "stage_edges" VALUES('local','aud_01M86AEBJ7HE07MS8SCM9CP1QB','mitigate:nemo','probe:nemo');
INSERT INTO "stage_edges" VALUES('local','aud_01M86AEBJ7HE07MS8SCM9CP1QB','mitigate:wanda','probe:wanda');
INSERT INTO "stage_edges" VALUES('local','aud_01M86AEBJ7HE07MS8SCM9CP1QB','baseline','report');
INSERT INTO "stage_edges" VALUES('local','aud_01M86AEBJ7HE07MS8SCM9CP1QB','mitigate:nemo','report');
INSERT INTO "stage_edges" VALUES('local','aud_01M86AEBJ7HE07MS8SCM9CP1QB','probe:nemo','report');
INSERT INTO "stage_edges" VALUES('local','aud_01M86AEBJ7HE07MS8SCM9CP1QB','mitigate:wanda','report');
INSERT INTO "stage_edges" VALUES('local','aud_01M86AEBJ7HE07MS8SCM9CP1QB','probe:wanda','report');
INSERT INTO "stage_edges" VALUES('local','aud_01M86AEBP39R1Q42WV3A6N7D2F','mitigate:nemo','probe:nemo');
INSERT INTO "stage_edges" VALUES('local','aud_01M86AEBP39R1Q42WV3A6N7D2F','mitigate:wanda','probe:wanda');
INSERT INTO "stage_edges" VALUES('local','aud_01M86AEBP39R1Q42WV3A6N7D2F','baseline','report');
INSERT INTO "stage_edges" VALUES('local','aud_01M86AEBP39R1Q42WV3A6N7D2F','mitigate:nemo','report');
INSERT INTO "stage_edges" VALUES('local','aud_01M86AEBP39R1Q42WV3A6N7D2F','probe:nemo','report');
INSERT INTO "stage_edges" VALUES('local','aud_01M86AEBP39R1Q42WV3A6N7D2F','mitigate:wanda','report');
INSERT INTO "stage_edges" VALUES('local','aud_01M86AEBP39R1Q42WV3A6N7D2F','probe:wanda','report');
INSERT INTO "stage_edges" VALUES('local','aud_01M86AEBQ3C1YMP3ZPYPKJGCKT','plan','report');
INSERT INTO "stage_edges" VALUES('local','aud_01M86AEBQVPH5H82EQH5YAQ76B','plan','report');
CREATE TABLE stages (
	tenant_id VARCHAR(64) NOT NULL, 
	audit_id VARCHAR(40) NOT NULL, 
	name VARCHAR(100) NOT NULL, 
	ordinal INTEGER NOT NULL, 
	blockers INTEGER NOT NULL, 
	total INTEGER NOT NULL, 
	remaining INTEGER NOT NULL, 
	CONSTRAINT pk_stages PRIMARY KEY (tenant_id, audit_id, name), 
	CONSTRAINT fk_stages_tenant_id_audit_id FOREIGN KEY(tenant_id, audit_id) REFERENCES audits (tenant_id, id)
);
INSERT INTO "stages" VALUES('local','aud_01M86AEBH7S5YKBKJ6CFG07C11','plan',0,0,1,1);
INSERT INTO "stages" VALUES('local','aud_01M86AEBHFDX3SBGZC6KGER287','plan',0,0,1,1);
INSERT INTO "stages" VALUES('local','aud_01M86AEBHQVYGXWQ3Y255BY14V','plan',0,0,1,1);
INSERT INTO "stages" VALUES('local','aud_01M86AEBHZGB2DJNEEC8QCSRZK','plan',0,0,1,1);
INSERT INTO "stages" VALUES('local','aud_01M86AEBJ7HE07MS8SCM9CP1QB','plan',0,0,1,0);
INSERT INTO "stages" VALUES('local','aud_01M86AEBJ7HE07MS8SCM9CP1QB','baseline',1,0,2,1);
INSERT INTO "stages" VALUES('local','aud_01M86AEBJ7HE07MS8SCM9CP1QB','mitigate:nemo',2,0,2,1);
INSERT INTO "stages" VALUES('local','aud_01M86AEBJ7HE07MS8SCM9CP1QB','probe:nemo',3,1,2,2);
INSERT INTO "stages" VALUES('local','aud_01M86AEBJ7HE07MS8SCM9CP1QB','mitigate:wanda',4,0,1,0);
INSERT INTO "stages" VALUES('local','aud_01M86AEBJ7HE07MS8SCM9CP1QB','probe:wanda',5,0,2,1);
INSERT INTO "stages" VALUES('local','aud_01M86AEBJ7HE07MS8SCM9CP1QB','report',6,4,1,1);
INSERT INTO "stages" VALUES('local','aud_01M86AEBP39R1Q42WV3A6N7D2F','plan',0,0,1,0);
INSERT INTO "stages" VALUES('local','aud_01M86AEBP39R1Q42WV3A6N7D2F','baseline',1,0,2,1);
INSERT INTO "stages" VALUES('local','aud_01M86AEBP39R1Q42WV3A6N7D2F','mitigate:nemo',2,0,2,0);
INSERT INTO "stages" VALUES('local','aud_01M86AEBP39R1Q42WV3A6N7D2F','probe:nemo',3,0,2,0);
INSERT INTO "stages" VALUES('local','aud_01M86AEBP39R1Q42WV3A6N7D2F','mitigate:wanda',4,0,1,0);
INSERT INTO "stages" VALUES('local','aud_01M86AEBP39R1Q42WV3A6N7D2F','probe:wanda',5,0,2,0);
INSERT INTO "stages" VALUES('local','aud_01M86AEBP39R1Q42WV3A6N7D2F','report',6,1,1,1);
INSERT INTO "stages" VALUES('local','aud_01M86AEBQ3C1YMP3ZPYPKJGCKT','plan',0,0,1,0);
INSERT INTO "stages" VALUES('local','aud_01M86AEBQ3C1YMP3ZPYPKJGCKT','report',1,0,1,1);
INSERT INTO "stages" VALUES('local','aud_01M86AEBQVPH5H82EQH5YAQ76B','plan',0,0,1,0);
INSERT INTO "stages" VALUES('local','aud_01M86AEBQVPH5H82EQH5YAQ76B','report',1,0,1,0);
INSERT INTO "stages" VALUES('local','aud_01M86AEBRQ7EG3TT0RJRDPGWX9','plan',0,0,1,0);
INSERT INTO "stages" VALUES('another','aud_01M86AEBSCJJJ56SWE4XVQCHYZ','plan',0,0,1,1);
CREATE TABLE units (
	tenant_id VARCHAR(64) NOT NULL, 
	id VARCHAR(40) NOT NULL, 
	audit_id VARCHAR(40) NOT NULL, 
	stage VARCHAR(100) NOT NULL, 
	ordinal INTEGER NOT NULL, 
	kind VARCHAR(32) NOT NULL, 
	critical BOOLEAN NOT NULL, 
	payload JSON NOT NULL, 
	state VARCHAR(16) NOT NULL, 
	attempt INTEGER DEFAULT '0' NOT NULL, 
	fence INTEGER DEFAULT '0' NOT NULL, 
	owner VARCHAR(200), 
	queued_at FLOAT, 
	leased_at FLOAT, 
	lease_expires_at FLOAT, 
	hard_deadline_at FLOAT, 
	finished_at FLOAT, 
	progress FLOAT DEFAULT '0' NOT NULL, 
	result JSON, 
	error VARCHAR(64), 
	detail TEXT, 
	CONSTRAINT pk_units PRIMARY KEY (tenant_id, id), 
	CONSTRAINT fk_units_tenant_id_audit_id FOREIGN KEY(tenant_id, audit_id) REFERENCES audits (tenant_id, id)
);
INSERT INTO "units" VALUES('local','unit_01M86AEBHCRX4YWZW11AGD0FW7','aud_01M86AEBH7S5YKBKJ6CFG07C11','plan',0,'plan',1,'{}','queued',0,0,NULL,1.79550861265298271176e+09,NULL,NULL,NULL,NULL,0.0,NULL,NULL,NULL);
INSERT INTO "units" VALUES('local','unit_01M86AEBHHXBVE2MZ0B19XNSF4','aud_01M86AEBHFDX3SBGZC6KGER287','plan',0,'plan',1,'{}','queued',0,0,NULL,1.79550861265700602538e+09,NULL,NULL,NULL,NULL,0.0,NULL,NULL,NULL);
INSERT INTO "units" VALUES('local','unit_01M86AEBHTXQFCFBM7G36KH704','aud_01M86AEBHQVYGXWQ3Y255BY14V','plan',0,'plan',1,'{}','queued',0,0,NULL,1.79550861266601824764e+09,NULL,NULL,NULL,NULL,0.0,NULL,NULL,NULL);
INSERT INTO "units" VALUES('local','unit_01M86AEBJ1WTFX6DXTBJKHQEYK','aud_01M86AEBHZGB2DJNEEC8QCSRZK','plan',0,'plan',1,'{}','queued',0,0,NULL,1.79550861267301893227e+09,NULL,NULL,NULL,NULL,0.0,NULL,NULL,NULL);
INSERT INTO "units" VALUES('local','unit_01M86AEBJ90A1RQ73PWSBE9GBA','aud_01M86AEBJ7HE07MS8SCM9CP1QB','plan',0,'plan',1,'{}','done',1,1,'worker-1',1.79550861268098497385e+09,1.79550861269200897219e+09,1.79550867269200897218e+09,1.79550921269200897218e+09,1.79550861269599199292e+09,1.0,'{"n": 0}',NULL,NULL);
INSERT INTO "units" VALUES('local','unit_01M86AEBJSDZAJJRQ5M0XQQ5Q5','aud_01M86AEBJ7HE07MS8SCM9CP1QB','baseline',0,'baseline',0,'{"batch": 0}','done',1,1,'worker-1',1.79550861269699788087e+09,1.79550861271699380879e+09,1.79550867271699380873e+09,1.79550921271699380878e+09,1.7955086127239942551e+09,1.0,'{"n": 0}',NULL,NULL);
INSERT INTO "units" VALUES('local','unit_01M86AEBJSDZAJJRQ5M0XQQ5Q6','aud_01M86AEBJ7HE07MS8SCM9CP1QB','baseline',1,'baseline',0,'{"batch": 1}','queued',1,1,NULL,1.79550861273598384854e+09,1.79550861273300647741e+09,NULL,1.7955092127330064774e+09,NULL,0.0,NULL,NULL,NULL);
INSERT INTO "units" VALUES('local','unit_01M86AEBJTXK0AR262RF900CEP','aud_01M86AEBJ7HE07MS8SCM9CP1QB','mitigate:nemo',0,'mitigate',0,'{"mitigation": "nemo", "batch": 0}','done',1,1,'worker-1',1.79550861269800376886e+09,1.79550861274201869967e+09,1.79550867274201869962e+09,1.79550921274201869971e+09,1.79550861274801349634e+09,1.0,'{"n": 0}',NULL,NULL);
INSERT INTO "units" VALUES('local','unit_01M86AEBJTXK0AR262RF900CEQ','aud_01M86AEBJ7HE07MS8SCM9CP1QB','mitigate:nemo',1,'mitigate',0,'{"mitigation": "nemo", "batch": 1}','leased',1,1,'worker-1',1.79550861269800376886e+09,1.79550861275199651716e+09,1.79550867275601983073e+09,1.79550921275199651719e+09,NULL,0.25,NULL,NULL,NULL);
INSERT INTO "units" VALUES('local','unit_01M86AEBJV24VJSZSGAVJ9JPMY','aud_01M86AEBJ7HE07MS8SCM9CP1QB','probe:nemo',0,'probe',0,'{"mitigation": "nemo", "batch": 0}','waiting',0,0,NULL,NULL,NULL,NULL,NULL,NULL,0.0,NULL,NULL,NULL);
INSERT INTO "units" VALUES('local','unit_01M86AEBJV24VJSZSGAVJ9JPMZ','aud_01M86AEBJ7HE07MS8SCM9CP1QB','probe:nemo',1,'probe',0,'{"mitigation": "nemo", "batch": 1}','waiting',0,0,NULL,NULL,NULL,NULL,NULL,NULL,0.0,NULL,NULL,NULL);
INSERT INTO "units" VALUES('local','unit_01M86AEBJV24VJSZSGAVJ9JPN0','aud_01M86AEBJ7HE07MS8SCM9CP1QB','mitigate:wanda',0,'mitigate',0,'{"mitigation": "wanda", "batch": null}','done',1,1,'worker-1',1.79550861269900941851e+09,1.79550861276100873946e+09,1.79550867276100873945e+09,1.79550921276100873946e+09,1.79550861276800918578e+09,1.0,'{"n": 0}',NULL,NULL);
INSERT INTO "units" VALUES('local','unit_01M86AEBJW2DJEZ0A8YFM132GN','aud_01M86AEBJ7HE07MS8SCM9CP1QB','probe:wanda',0,'probe',0,'{"mitigation": "wanda", "batch": 0}','failed',1,1,'worker-1',1.79550861276901507377e+09,1.79550861277199244494e+09,1.79550867277199244502e+09,1.79550921277199244498e+09,1.79550861277698135375e+09,0.0,NULL,'OUT_OF_MEMORY','64 MB short');
INSERT INTO "units" VALUES('local','unit_01M86AEBJW2DJEZ0A8YFM132GP','aud_01M86AEBJ7HE07MS8SCM9CP1QB','probe:wanda',1,'probe',0,'{"mitigation": "wanda", "batch": 1}','leased',3,3,'worker-1',1.79550861276901507377e+09,1.79550861280100059512e+09,1.79550867280100059507e+09,1.79550921280100059512e+09,NULL,0.0,NULL,NULL,NULL);
INSERT INTO "units" VALUES('local','unit_01M86AEBJW2DJEZ0A8YFM132GQ','aud_01M86AEBJ7HE07MS8SCM9CP1QB','report',0,'report',1,'{"item": 0}','waiting',0,0,NULL,NULL,NULL,NULL,NULL,NULL,0.0,NULL,NULL,NULL);
INSERT INTO "units" VALUES('local','unit_01M86AEBP42CZ651EM0ERKS7ZX','aud_01M86AEBP39R1Q42WV3A6N7D2F','plan',0,'plan',1,'{}','done',1,1,'worker-1',1.79550861280498361581e+09,1.79550861280900692943e+09,1.79550867280900692938e+09,1.79550921280900692943e+09,1.79550861281600737575e+09,1.0,'{"n": 0}',NULL,NULL);
INSERT INTO "units" VALUES('local','unit_01M86AEBPHY0N3W46VNM0S3C5X','aud_01M86AEBP39R1Q42WV3A6N7D2F','baseline',0,'baseline',0,'{"batch": 0}','leased',1,1,'worker-1',1.79550861281701326374e+09,1.79550861282401371006e+09,1.79550867282401371005e+09,1.79550921282401370997e+09,NULL,0.0,NULL,NULL,NULL);
INSERT INTO "units" VALUES('local','unit_01M86AEBPHY0N3W46VNM0S3C5Y','aud_01M86AEBP39R1Q42WV3A6N7D2F','baseline',1,'baseline',0,'{"batch": 1}','cancelled',0,0,NULL,1.79550861281701326374e+09,NULL,NULL,NULL,1.79550861283000850673e+09,0.0,NULL,NULL,NULL);
INSERT INTO "units" VALUES('local','unit_01M86AEBPHY0N3W46VNM0S3C5Z','aud_01M86AEBP39R1Q42WV3A6N7D2F','mitigate:nemo',0,'mitigate',0,'{"mitigation": "nemo", "batch": 0}','cancelled',0,0,NULL,1.7955086128180191517e+09,NULL,NULL,NULL,1.79550861283000850673e+09,0.0,NULL,NULL,NULL);
INSERT INTO "units" VALUES('local','unit_01M86AEBPHY0N3W46VNM0S3C60','aud_01M86AEBP39R1Q42WV3A6N7D2F','mitigate:nemo',1,'mitigate',0,'{"mitigation": "nemo", "batch": 1}','cancelled',0,0,NULL,1.7955086128180191517e+09,NULL,NULL,NULL,1.79550861283000850673e+09,0.0,NULL,NULL,NULL);
INSERT INTO "units" VALUES('local','unit_01M86AEBPJARJ6PFQ5MJ1K0CBS','aud_01M86AEBP39R1Q42WV3A6N7D2F','probe:nemo',0,'probe',0,'{"mitigation": "nemo", "batch": 0}','cancelled',0,0,NULL,NULL,NULL,NULL,NULL,1.79550861283000850673e+09,0.0,NULL,NULL,NULL);
INSERT INTO "units" VALUES('local','unit_01M86AEBPJARJ6PFQ5MJ1K0CBT','aud_01M86AEBP39R1Q42WV3A6N7D2F','probe:nemo',1,'probe',0,'{"mitigation": "nemo", "batch": 1}','cancelled',0,0,NULL,NULL,NULL,NULL,NULL,1.79550861283000850673e+09,0.0,NULL,NULL,NULL);
INSERT INTO "units" VALUES('local','unit_01M86AEBPJARJ6PFQ5MJ1K0CBV','aud_01M86AEBP39R1Q42WV3A6N7D2F','mitigate:wanda',0,'mitigate',0,'{"mitigation": "wanda", "batch": null}','cancelled',0,0,NULL,1.79550861281898474692e+09,NULL,NULL,NULL,1.79550861283000850673e+09,0.0,NULL,NULL,NULL);
INSERT INTO "units" VALUES('local','unit_01M86AEBPKD8ZF60W8W7CGGM1T','aud_01M86AEBP39R1Q42WV3A6N7D2F','probe:wanda',0,'probe',0,'{"mitigation": "wanda", "batch": 0}','cancelled',0,0,NULL,NULL,NULL,NULL,NULL,1.79550861283000850673e+09,0.0,NULL,NULL,NULL);
INSERT INTO "units" VALUES('local','unit_01M86AEBPKD8ZF60W8W7CGGM1V','aud_01M86AEBP39R1Q42WV3A6N7D2F','probe:wanda',1,'probe',0,'{"mitigation": "wanda", "batch": 1}','cancelled',0,0,NULL,NULL,NULL,NULL,NULL,1.79550861283000850673e+09,0.0,NULL,NULL,NULL);
INSERT INTO "units" VALUES('local','unit_01M86AEBPM1MNKEXTWXTQ6CTCD','aud_01M86AEBP39R1Q42WV3A6N7D2F','report',0,'report',1,'{"item": 0}','waiting',0,0,NULL,NULL,NULL,NULL,NULL,NULL,0.0,NULL,NULL,NULL);
INSERT INTO "units" VALUES('local','unit_01M86AEBQ7TF35QD80XWJNJRYX','aud_01M86AEBQ3C1YMP3ZPYPKJGCKT','plan',0,'plan',1,'{}','done',1,1,'worker-1',1.79550861283898067471e+09,1.79550861284300374985e+09,1.7955086728430037498e+09,1.79550921284300374989e+09,1.7955086128479928971e+09,1.0,'{"n": 0}',NULL,NULL);
INSERT INTO "units" VALUES('local','unit_01M86AEBQH2HJDDDXT2Q30P4G2','aud_01M86AEBQ3C1YMP3ZPYPKJGCKT','report',0,'report',1,'{"item": 0}','leased',1,1,'worker-1',1.79550861284899854666e+09,1.79550861285700511936e+09,1.79550867285700511931e+09,1.79550921285700511927e+09,NULL,0.0,NULL,NULL,NULL);
INSERT INTO "units" VALUES('local','unit_01M86AEBQW582S5KE45QQQ3JEE','aud_01M86AEBQVPH5H82EQH5YAQ76B','plan',0,'plan',1,'{}','done',1,1,'worker-1',1.79550861286098814009e+09,1.79550861286501145367e+09,1.79550867286501145362e+09,1.79550921286501145358e+09,1.7955086128689944744e+09,1.0,'{"n": 0}',NULL,NULL);
INSERT INTO "units" VALUES('local','unit_01M86AEBR607135TQX8TBE14B4','aud_01M86AEBQVPH5H82EQH5YAQ76B','report',0,'report',1,'{"item": 0}','done',1,1,'worker-1',1.79550861287000036239e+09,1.79550861287700080871e+09,1.7955086728770008087e+09,1.7955092128770008087e+09,1.79550861288001823421e+09,1.0,'{"n": 0}',NULL,NULL);
INSERT INTO "units" VALUES('local','unit_01M86AEBRRJZFH21AT8SHA6QXH','aud_01M86AEBRQ7EG3TT0RJRDPGWX9','plan',0,'plan',1,'{}','failed',1,1,'worker-1',1.79550861288899040214e+09,1.79550861289301371577e+09,1.79550867289301371572e+09,1.79550921289301371576e+09,1.79550861290001416209e+09,0.0,NULL,'OUT_OF_MEMORY','64 MB short');
INSERT INTO "units" VALUES('another','unit_01M86AEBSDH634V8WM79842KCJ','aud_01M86AEBSCJJJ56SWE4XVQCHYZ','plan',0,'plan',1,'{}','queued',0,0,NULL,1.79550861290898609162e+09,NULL,NULL,NULL,NULL,0.0,NULL,NULL,NULL);
CREATE INDEX ix_audits_tenant_id_request_digest ON audits (tenant_id, request_digest);
CREATE INDEX ix_audits_state_deadline_at ON audits (state, deadline_at);
CREATE UNIQUE INDEX ix_units_tenant_id_audit_id_stage_ordinal ON units (tenant_id, audit_id, stage, ordinal);
CREATE INDEX ix_units_state_lease_expires_at ON units (state, lease_expires_at);
CREATE INDEX ix_units_state_queued_at ON units (state, queued_at);
CREATE INDEX ix_outbox_tenant_id_unit_id ON outbox (tenant_id, unit_id);
CREATE INDEX ix_evidence_tenant_id_audit_id_digest ON evidence (tenant_id, audit_id, digest);
COMMIT;
