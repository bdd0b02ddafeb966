BEGIN TRANSACTION;
CREATE TABLE annex_decision (
	job_id CHAR(32) NOT NULL, 
	dataset_type VARCHAR NOT NULL, 
	large BOOLEAN NOT NULL, 
	CONSTRAINT pk_annex_decision PRIMARY KEY (job_id, dataset_type), 
	CONSTRAINT fk_annex_decision_job_id FOREIGN KEY(job_id) REFERENCES job (id)
);
CREATE TABLE breaker (
	label VARCHAR NOT NULL, 
	failures INTEGER NOT NULL, 
	trips INTEGER NOT NULL, 
	open_until DOUBLE, 
	reason VARCHAR NOT NULL, 
	changed_at DOUBLE NOT NULL, 
	CONSTRAINT pk_breaker PRIMARY KEY (label)
);
CREATE TABLE catalog_data_id (
	run_uid VARCHAR NOT NULL, 
	dimension VARCHAR NOT NULL, 
	ordinal INTEGER NOT NULL, 
	word VARCHAR, 
	number DOUBLE, 
	until DOUBLE, 
	gap DOUBLE, 
	CONSTRAINT pk_catalog_data_id PRIMARY KEY (run_uid, dimension, ordinal), 
	CONSTRAINT fk_catalog_data_id_run_uid FOREIGN KEY(run_uid) REFERENCES catalog_run (uid)
);
INSERT INTO "catalog_data_id" VALUES('917c3759-2f30-4666-88f4-dff43fa7bfca','detector',0,NULL,0.0,NULL,NULL);
INSERT INTO "catalog_data_id" VALUES('917c3759-2f30-4666-88f4-dff43fa7bfca','exposure',0,NULL,2.02605160343708496088e+12,2.02605160343808496088e+12,1.0);
INSERT INTO "catalog_data_id" VALUES('917c3759-2f30-4666-88f4-dff43fa7bfca','exposure',1,NULL,2.02605160343808496088e+12,NULL,NULL);
INSERT INTO "catalog_data_id" VALUES('917c3759-2f30-4666-88f4-dff43fa7bfca','instrument',0,'SIMCAM',NULL,NULL,NULL);
INSERT INTO "catalog_data_id" VALUES('739eb132-7f07-46ed-9eab-79d2e0685059','detector',0,NULL,0.0,NULL,NULL);
INSERT INTO "catalog_data_id" VALUES('739eb132-7f07-46ed-9eab-79d2e0685059','exposure',0,NULL,2.02605160343708496088e+12,NULL,NULL);
INSERT INTO "catalog_data_id" VALUES('739eb132-7f07-46ed-9eab-79d2e0685059','instrument',0,'SIMCAM',NULL,NULL,NULL);
INSERT INTO "catalog_data_id" VALUES('5bcbd08b-9bc5-449f-8c0c-3d5e987c68d3','detector',0,NULL,0.0,NULL,NULL);
INSERT INTO "catalog_data_id" VALUES('5bcbd08b-9bc5-449f-8c0c-3d5e987c68d3','exposure',0,NULL,2.02605160343708496088e+12,NULL,NULL);
INSERT INTO "catalog_data_id" VALUES('5bcbd08b-9bc5-449f-8c0c-3d5e987c68d3','instrument',0,'SIMCAM',NULL,NULL,NULL);
INSERT INTO "catalog_data_id" VALUES('d5c3a0ef-8dfa-4f8b-bdbe-0481b54b5390','detector',0,NULL,0.0,NULL,NULL);
INSERT INTO "catalog_data_id" VALUES('d5c3a0ef-8dfa-4f8b-bdbe-0481b54b5390','exposure',0,NULL,2.02605160343708496088e+12,NULL,NULL);
INSERT INTO "catalog_data_id" VALUES('d5c3a0ef-8dfa-4f8b-bdbe-0481b54b5390','instrument',0,'SIMCAM',NULL,NULL,NULL);
INSERT INTO "catalog_data_id" VALUES('1738db24-9d2b-4ead-82d7-f132aa159181','detector',0,NULL,0.0,NULL,NULL);
INSERT INTO "catalog_data_id" VALUES('1738db24-9d2b-4ead-82d7-f132aa159181','exposure',0,NULL,2.02605160343708496088e+12,2.02605160343808496088e+12,1.0);
INSERT INTO "catalog_data_id" VALUES('1738db24-9d2b-4ead-82d7-f132aa159181','exposure',1,NULL,2.02605160343808496088e+12,2.02605160343908496088e+12,1.0);
INSERT INTO "catalog_data_id" VALUES('1738db24-9d2b-4ead-82d7-f132aa159181','exposure',2,NULL,2.02605160343908496088e+12,2.02605160344008496087e+12,1.0);
INSERT INTO "catalog_data_id" VALUES('1738db24-9d2b-4ead-82d7-f132aa159181','exposure',3,NULL,2.02605160344008496087e+12,2.02605160344108496087e+12,1.0);
INSERT INTO "catalog_data_id" VALUES('1738db24-9d2b-4ead-82d7-f132aa159181','exposure',4,NULL,2.02605160344108496087e+12,2.02605160344208496086e+12,1.0);
INSERT INTO "catalog_data_id" VALUES('1738db24-9d2b-4ead-82d7-f132aa159181','exposure',5,NULL,2.02605160344208496086e+12,NULL,NULL);
INSERT INTO "catalog_data_id" VALUES('1738db24-9d2b-4ead-82d7-f132aa159181','instrument',0,'SIMCAM',NULL,NULL,NULL);
INSERT INTO "catalog_data_id" VALUES('fb1d72fe-73c8-4115-a720-869f91f73408','detector',0,NULL,0.0,NULL,NULL);
INSERT INTO "catalog_data_id" VALUES('fb1d72fe-73c8-4115-a720-869f91f73408','exposure',0,NULL,2.02605160343708496088e+12,2.02605160343808496088e+12,1.0);
INSERT INTO "catalog_data_id" VALUES('fb1d72fe-73c8-4115-a720-869f91f73408','exposure',1,NULL,2.02605160343808496088e+12,NULL,NULL);
INSERT INTO "catalog_data_id" VALUES('fb1d72fe-73c8-4115-a720-869f91f73408','instrument',0,'SIMCAM',NULL,NULL,NULL);
INSERT INTO "catalog_data_id" VALUES('c2277bf9-bdf3-4b91-95e6-bc86fd0fd47a','detector',0,NULL,0.0,NULL,NULL);
INSERT INTO "catalog_data_id" VALUES('c2277bf9-bdf3-4b91-95e6-bc86fd0fd47a','exposure',0,NULL,2.02605160343708496088e+12,NULL,NULL);
INSERT INTO "catalog_data_id" VALUES('c2277bf9-bdf3-4b91-95e6-bc86fd0fd47a','instrument',0,'SIMCAM',NULL,NULL,NULL);
INSERT INTO "catalog_data_id" VALUES('233ab8c8-1329-4c78-8385-67cbda5e72b5','detector',0,NULL,0.0,NULL,NULL);
INSERT INTO "catalog_data_id" VALUES('233ab8c8-1329-4c78-8385-67cbda5e72b5','exposure',0,NULL,2.02605160343708496088e+12,2.02605160343808496088e+12,1.0);
INSERT INTO "catalog_data_id" VALUES('233ab8c8-1329-4c78-8385-67cbda5e72b5','exposure',1,NULL,2.02605160343808496088e+12,NULL,NULL);
INSERT INTO "catalog_data_id" VALUES('233ab8c8-1329-4c78-8385-67cbda5e72b5','instrument',0,'SIMCAM',NULL,NULL,NULL);
INSERT INTO "catalog_data_id" VALUES('2a980026-93e8-46ce-9629-c570ae72c60b','detector',0,NULL,0.0,NULL,NULL);
INSERT INTO "catalog_data_id" VALUES('2a980026-93e8-46ce-9629-c570ae72c60b','exposure',0,NULL,2.02605160343708496088e+12,2.02605160343808496088e+12,1.0);
INSERT INTO "catalog_data_id" VALUES('2a980026-93e8-46ce-9629-c570ae72c60b','exposure',1,NULL,2.02605160343808496088e+12,2.02605160343908496088e+12,1.0);
INSERT INTO "catalog_data_id" VALUES('2a980026-93e8-46ce-9629-c570ae72c60b','exposure',2,NULL,2.02605160343908496088e+12,NULL,NULL);
INSERT INTO "catalog_data_id" VALUES('2a980026-93e8-46ce-9629-c570ae72c60b','instrument',0,'SIMCAM',NULL,NULL,NULL);
CREATE TABLE catalog_dataset (
	uid VARCHAR NOT NULL, 
	run_uid VARCHAR NOT NULL, 
	event_uid VARCHAR NOT NULL, 
	dataset_type VARCHAR NOT NULL, 
	CONSTRAINT pk_catalog_dataset PRIMARY KEY (uid), 
	CONSTRAINT fk_catalog_dataset_run_uid FOREIGN KEY(run_uid) REFERENCES catalog_run (uid)
);
INSERT INTO "catalog_dataset" VALUES('739d2d93-a909-59a6-b05a-0ecfdef5ab45','917c3759-2f30-4666-88f4-dff43fa7bfca','d0760925-2128-4789-bb95-d810e95cc42b','upTable');
INSERT INTO "catalog_dataset" VALUES('835fc377-0b52-5675-9396-84a377690450','917c3759-2f30-4666-88f4-dff43fa7bfca','d0760925-2128-4789-bb95-d810e95cc42b','upPicture');
INSERT INTO "catalog_dataset" VALUES('825e5faf-e597-5fbe-be81-6f2e7e17a8af','917c3759-2f30-4666-88f4-dff43fa7bfca','d0760925-2128-4789-bb95-d810e95cc42b','upWrite_metadata');
INSERT INTO "catalog_dataset" VALUES('4e8ed3c9-e748-59ca-9a67-677b3ea75063','739eb132-7f07-46ed-9eab-79d2e0685059','933b9588-8bfc-4700-87b6-47f3f871b8ba','upFail_metadata');
INSERT INTO "catalog_dataset" VALUES('3f7a3de9-fc97-5aa2-9cfb-812a122b92ce','5bcbd08b-9bc5-449f-8c0c-3d5e987c68d3','eb5e107e-68de-4907-a58e-97f8b4cf423e','upNothing_metadata');
INSERT INTO "catalog_dataset" VALUES('54568484-bf10-531f-b168-a8ed992f64bb','917c3759-2f30-4666-88f4-dff43fa7bfca','393e5d97-596d-481b-b074-614f8a11dfde','upTable');
INSERT INTO "catalog_dataset" VALUES('77ca8c36-e760-5b82-8722-b536ae35c9a2','917c3759-2f30-4666-88f4-dff43fa7bfca','393e5d97-596d-481b-b074-614f8a11dfde','upPicture');
INSERT INTO "catalog_dataset" VALUES('52ecc4c2-6d34-55fb-a28c-4b02a653dc2b','917c3759-2f30-4666-88f4-dff43fa7bfca','393e5d97-596d-481b-b074-614f8a11dfde','upWrite_metadata');
INSERT INTO "catalog_dataset" VALUES('310dc5eb-519c-5c80-abc6-4d0e05449c4d','c2277bf9-bdf3-4b91-95e6-bc86fd0fd47a','a234e9ed-415a-4952-98da-0423fec450aa','upTable');
INSERT INTO "catalog_dataset" VALUES('eb63e395-2610-5006-ba2c-3cce1524faf6','c2277bf9-bdf3-4b91-95e6-bc86fd0fd47a','a234e9ed-415a-4952-98da-0423fec450aa','upPicture');
INSERT INTO "catalog_dataset" VALUES('71bbb519-4010-5cc8-8fb6-4da43d69116c','c2277bf9-bdf3-4b91-95e6-bc86fd0fd47a','a234e9ed-415a-4952-98da-0423fec450aa','upWrite_metadata');
CREATE TABLE catalog_datum (
	run_uid VARCHAR NOT NULL, 
	datum_id VARCHAR NOT NULL, 
	resource_uid VARCHAR NOT NULL, 
	kwargs TEXT NOT NULL, 
	CONSTRAINT pk_catalog_datum PRIMARY KEY (run_uid, datum_id), 
	CONSTRAINT fk_catalog_datum_run_uid FOREIGN KEY(run_uid) REFERENCES catalog_run (uid)
);
INSERT INTO "catalog_datum" VALUES('917c3759-2f30-4666-88f4-dff43fa7bfca','835fc377-0b52-5675-9396-84a377690450/0','835fc377-0b52-5675-9396-84a377690450','{}');
INSERT INTO "catalog_datum" VALUES('917c3759-2f30-4666-88f4-dff43fa7bfca','77ca8c36-e760-5b82-8722-b536ae35c9a2/0','77ca8c36-e760-5b82-8722-b536ae35c9a2','{}');
INSERT INTO "catalog_datum" VALUES('c2277bf9-bdf3-4b91-95e6-bc86fd0fd47a','eb63e395-2610-5006-ba2c-3cce1524faf6/0','eb63e395-2610-5006-ba2c-3cce1524faf6','{}');
CREATE TABLE catalog_descriptor (
	uid VARCHAR NOT NULL, 
	run_uid VARCHAR NOT NULL, 
	time DOUBLE NOT NULL, 
	stream VARCHAR NOT NULL, 
	body TEXT NOT NULL, 
	CONSTRAINT pk_catalog_descriptor PRIMARY KEY (uid), 
	CONSTRAINT fk_catalog_descriptor_run_uid FOREIGN KEY(run_uid) REFERENCES catalog_run (uid)
);
INSERT INTO "catalog_descriptor" VALUES('3ae8a939-6c70-5ff1-8cdb-f94b23610bf5','917c3759-2f30-4666-88f4-dff43fa7bfca',1.73568955982001280786e+09,'primary','{"object_keys": {"upWrite": ["target", "detector", "exposure", "instrument", "seconds", "upPicture"]}, "configuration": {}, "hints": {"upWrite": {"fields": []}}, "uid": "3ae8a939-6c70-5ff1-8cdb-f94b23610bf5", "run_start": "917c3759-2f30-4666-88f4-dff43fa7bfca", "time": 1796086123.7350166, "name": "primary", "data_keys": {"target": {"source": "records", "dtype": "integer", "dtype_numpy": "<i8", "shape": []}, "detector": {"source": "data ID", "dtype": "integer", "dtype_numpy": "<i8", "shape": []}, "exposure": {"source": "data ID", "dtype": "integer", "dtype_numpy": "<i8", "shape": []}, "instrument": {"source": "data ID", "dtype": "string", "shape": []}, "seconds": {"source": "records", "dtype": "number", "dtype_numpy": "<f8", "shape": [], "units": "s"}, "upPicture": {"source": "annex", "dtype": "array", "shape": [], "external": "ANNEX:"}}}');
INSERT INTO "catalog_descriptor" VALUES('705fb295-1f1e-5945-aa39-e785d8953f83','739eb132-7f07-46ed-9eab-79d2e0685059',1.73568956043199896814e+09,'problems','{"object_keys": {"upFail": ["target", "detector", "exposure", "instrument", "exit_status", "error_type", "reason"]}, "configuration": {}, "hints": {"upFail": {"fields": []}}, "uid": "705fb295-1f1e-5945-aa39-e785d8953f83", "run_start": "739eb132-7f07-46ed-9eab-79d2e0685059", "time": 1796086124.3470027, "name": "problems", "data_keys": {"target": {"source": "records", "dtype": "integer", "dtype_numpy": "<i8", "shape": []}, "detector": {"source": "data ID", "dtype": "integer", "dtype_numpy": "<i8", "shape": []}, "exposure": {"source": "data ID", "dtype": "integer", "dtype_numpy": "<i8", "shape": []}, "instrument": {"source": "data ID", "dtype": "string", "shape": []}, "exit_status": {"source": "records", "dtype": "string", "shape": []}, "error_type": {"source": "records", "dtype": "string", "shape": []}, "reason": {"source": "records", "dtype": "string", "shape": []}}}');
INSERT INTO "catalog_descriptor" VALUES('a06f7d2e-3b51-5111-a531-832998c55946','5bcbd08b-9bc5-449f-8c0c-3d5e987c68d3',1.73568956084000325205e+09,'problems','{"object_keys": {"upNothing": ["target", "detector", "exposure", "instrument", "exit_status", "error_type", "reason"]}, "configuration": {}, "hints": {"upNothing": {"fields": []}}, "uid": "a06f7d2e-3b51-5111-a531-832998c55946", "run_start": "5bcbd08b-9bc5-449f-8c0c-3d5e987c68d3", "time": 1796086124.755007, "name": "problems", "data_keys": {"target": {"source": "records", "dtype": "integer", "dtype_numpy": "<i8", "shape": []}, "detector": {"source": "data ID", "dtype": "integer", "dtype_numpy": "<i8", "shape": []}, "exposure": {"source": "data ID", "dtype": "integer", "dtype_numpy": "<i8", "shape": []}, "instrument": {"source": "data ID", "dtype": "string", "shape": []}, "exit_status": {"source": "records", "dtype": "string", "shape": []}, "error_type": {"source": "records", "dtype": "string", "shape": []}, "reason": {"source": "records", "dtype": "string", "shape": []}}}');
INSERT INTO "catalog_descriptor" VALUES('341d4258-6190-5af8-b76c-51a547dc3532','d5c3a0ef-8dfa-4f8b-bdbe-0481b54b5390',1.7356895626469941139e+09,'problems','{"object_keys": {"upDie": ["target", "detector", "exposure", "instrument", "exit_status", "error_type", "reason"]}, "configuration": {}, "hints": {"upDie": {"fields": []}}, "uid": "341d4258-6190-5af8-b76c-51a547dc3532", "run_start": "d5c3a0ef-8dfa-4f8b-bdbe-0481b54b5390", "time": 1796086126.561998, "name": "problems", "data_keys": {"target": {"source": "records", "dtype": "integer", "dtype_numpy": "<i8", "shape": []}, "detector": {"source": "data ID", "dtype": "integer", "dtype_numpy": "<i8", "shape": []}, "exposure": {"source": "data ID", "dtype": "integer", "dtype_numpy": "<i8", "shape": []}, "instrument": {"source": "data ID", "dtype": "string", "shape": []}, "exit_status": {"source": "records", "dtype": "string", "shape": []}, "error_type": {"source": "records", "dtype": "string", "shape": []}, "reason": {"source": "records", "dtype": "string", "shape": []}}}');
INSERT INTO "catalog_descriptor" VALUES('f3cd0ec5-b8ce-559b-b491-fd0f9e8fa176','fb1d72fe-73c8-4115-a720-869f91f73408',1.73568958529700183863e+09,'problems','{"object_keys": {"upWrite": ["target", "detector", "exposure", "instrument", "exit_status", "error_type", "reason"]}, "configuration": {}, "hints": {"upWrite": {"fields": []}}, "uid": "f3cd0ec5-b8ce-559b-b491-fd0f9e8fa176", "run_start": "fb1d72fe-73c8-4115-a720-869f91f73408", "time": 1796086149.2120056, "name": "problems", "data_keys": {"target": {"source": "records", "dtype": "integer", "dtype_numpy": "<i8", "shape": []}, "detector": {"source": "data ID", "dtype": "integer", "dtype_numpy": "<i8", "shape": []}, "exposure": {"source": "data ID", "dtype": "integer", "dtype_numpy": "<i8", "shape": []}, "instrument": {"source": "data ID", "dtype": "string", "shape": []}, "exit_status": {"source": "records", "dtype": "string", "shape": []}, "error_type": {"source": "records", "dtype": "string", "shape": []}, "reason": {"source": "records", "dtype": "string", "shape": []}}}');
INSERT INTO "catalog_descriptor" VALUES('2f009009-8c2d-56ec-98cd-6d91e54e971d','c2277bf9-bdf3-4b91-95e6-bc86fd0fd47a',1.73568958914900279047e+09,'primary','{"object_keys": {"upWrite": ["target", "detector", "exposure", "instrument", "seconds", "upPicture"]}, "configuration": {}, "hints": {"upWrite": {"fields": []}}, "uid": "2f009009-8c2d-56ec-98cd-6d91e54e971d", "run_start": "c2277bf9-bdf3-4b91-95e6-bc86fd0fd47a", "time": 1796086153.0640066, "name": "primary", "data_keys": {"target": {"source": "records", "dtype": "integer", "dtype_numpy": "<i8", "shape": []}, "detector": {"source": "data ID", "dtype": "integer", "dtype_numpy": "<i8", "shape": []}, "exposure": {"source": "data ID", "dtype": "integer", "dtype_numpy": "<i8", "shape": []}, "instrument": {"source": "data ID", "dtype": "string", "shape": []}, "seconds": {"source": "records", "dtype": "number", "dtype_numpy": "<f8", "shape": [], "units": "s"}, "upPicture": {"source": "annex", "dtype": "array", "shape": [], "external": "ANNEX:"}}}');
CREATE TABLE catalog_event (
	uid VARCHAR NOT NULL, 
	descriptor_uid VARCHAR NOT NULL, 
	seq_num BIGINT NOT NULL, 
	time DOUBLE NOT NULL, 
	data TEXT NOT NULL, 
	timestamps TEXT NOT NULL, 
	filled TEXT, 
	CONSTRAINT pk_catalog_event PRIMARY KEY (uid), 
	CONSTRAINT fk_catalog_event_descriptor_uid FOREIGN KEY(descriptor_uid) REFERENCES catalog_descriptor (uid)
);
INSERT INTO "catalog_event" VALUES('d0760925-2128-4789-bb95-d810e95cc42b','3ae8a939-6c70-5ff1-8cdb-f94b23610bf5',1,1.73568955982001280786e+09,'{"target": 0, "detector": 0, "exposure": 2026112000001, "instrument": "SIMCAM", "seconds": 1.28, "upPicture": "835fc377-0b52-5675-9396-84a377690450/0"}','{"target": 1796086123.7350166, "detector": 1796086123.7350166, "exposure": 1796086123.7350166, "instrument": 1796086123.7350166, "seconds": 1796086123.7350166, "upPicture": 1796086123.7350166}','{"upPicture": false}');
INSERT INTO "catalog_event" VALUES('933b9588-8bfc-4700-87b6-47f3f871b8ba','705fb295-1f1e-5945-aa39-e785d8953f83',1,1.73568956043199896814e+09,'{"target": 0, "detector": 0, "exposure": 2026112000001, "instrument": "SIMCAM", "exit_status": "failed", "error_type": "ArithmeticError", "reason": "this exposure cannot be reduced"}','{"target": 1796086124.3470027, "detector": 1796086124.3470027, "exposure": 1796086124.3470027, "instrument": 1796086124.3470027, "exit_status": 1796086124.3470027, "error_type": 1796086124.3470027, "reason": 1796086124.3470027}',NULL);
INSERT INTO "catalog_event" VALUES('eb5e107e-68de-4907-a58e-97f8b4cf423e','a06f7d2e-3b51-5111-a531-832998c55946',1,1.73568956084000325205e+09,'{"target": 0, "detector": 0, "exposure": 2026112000001, "instrument": "SIMCAM", "exit_status": "no_work", "error_type": "", "reason": "nothing to do here"}','{"target": 1796086124.755007, "detector": 1796086124.755007, "exposure": 1796086124.755007, "instrument": 1796086124.755007, "exit_status": 1796086124.755007, "error_type": 1796086124.755007, "reason": 1796086124.755007}',NULL);
INSERT INTO "catalog_event" VALUES('393e5d97-596d-481b-b074-614f8a11dfde','3ae8a939-6c70-5ff1-8cdb-f94b23610bf5',2,1.73568956099300980566e+09,'{"target": 1, "detector": 0, "exposure": 2026112000002, "instrument": "SIMCAM", "seconds": 2.359, "upPicture": "77ca8c36-e760-5b82-8722-b536ae35c9a2/0"}','{"target": 1796086124.9080136, "detector": 1796086124.9080136, "exposure": 1796086124.9080136, "instrument": 1796086124.9080136, "seconds": 1796086124.9080136, "upPicture": 1796086124.9080136}','{"upPicture": false}');
INSERT INTO "catalog_event" VALUES('67074c1e-a7f0-416f-a990-78660c7f9f46','341d4258-6190-5af8-b76c-51a547dc3532',1,1.7356895626469941139e+09,'{"target": 0, "detector": 0, "exposure": 2026112000001, "instrument": "SIMCAM", "exit_status": "held", "error_type": "Held", "reason": "claim 1 by first@obs1/1a157f2e died: its process 28909 is gone: it was killed, or ran out of memory"}','{"target": 1796086126.561998, "detector": 1796086126.561998, "exposure": 1796086126.561998, "instrument": 1796086126.561998, "exit_status": 1796086126.561998, "error_type": 1796086126.561998, "reason": 1796086126.561998}',NULL);
INSERT INTO "catalog_event" VALUES('36cc5ca9-d357-4bf0-9881-d8067f40544a','f3cd0ec5-b8ce-559b-b491-fd0f9e8fa176',1,1.73568958529700183863e+09,'{"target": 0, "detector": 0, "exposure": 2026112000001, "instrument": "SIMCAM", "exit_status": "aborted", "error_type": "", "reason": ""}','{"target": 1796086149.2120056, "detector": 1796086149.2120056, "exposure": 1796086149.2120056, "instrument": 1796086149.2120056, "exit_status": 1796086149.2120056, "error_type": 1796086149.2120056, "reason": 1796086149.2120056}',NULL);
INSERT INTO "catalog_event" VALUES('5ef4bc24-7bc2-4792-91c6-c917eeae895d','f3cd0ec5-b8ce-559b-b491-fd0f9e8fa176',2,1.73568958529700183863e+09,'{"target": 1, "detector": 0, "exposure": 2026112000002, "instrument": "SIMCAM", "exit_status": "aborted", "error_type": "", "reason": ""}','{"target": 1796086149.2120056, "detector": 1796086149.2120056, "exposure": 1796086149.2120056, "instrument": 1796086149.2120056, "exit_status": 1796086149.2120056, "error_type": 1796086149.2120056, "reason": 1796086149.2120056}',NULL);
INSERT INTO "catalog_event" VALUES('a234e9ed-415a-4952-98da-0423fec450aa','2f009009-8c2d-56ec-98cd-6d91e54e971d',1,1.73568958914900279047e+09,'{"target": 0, "detector": 0, "exposure": 2026112000001, "instrument": "SIMCAM", "seconds": 0.604, "upPicture": "eb63e395-2610-5006-ba2c-3cce1524faf6/0"}','{"target": 1796086153.0640066, "detector": 1796086153.0640066, "exposure": 1796086153.0640066, "instrument": 1796086153.0640066, "seconds": 1796086153.0640066, "upPicture": 1796086153.0640066}','{"upPicture": false}');
CREATE TABLE catalog_page (
	descriptor_uid VARCHAR NOT NULL, 
	ordinal INTEGER NOT NULL, 
	skipped BIGINT NOT NULL, 
	n_events INTEGER NOT NULL, 
	head BLOB NOT NULL, 
	data BLOB NOT NULL, 
	timestamps BLOB NOT NULL, 
	filled BLOB NOT NULL, 
	CONSTRAINT pk_catalog_page PRIMARY KEY (descriptor_uid, ordinal), 
	CONSTRAINT fk_catalog_page_descriptor_uid FOREIGN KEY(descriptor_uid) REFERENCES catalog_descriptor (uid)
);
CREATE TABLE catalog_resource (
	run_uid VARCHAR NOT NULL, 
	uid VARCHAR NOT NULL, 
	body TEXT NOT NULL, 
	CONSTRAINT pk_catalog_resource PRIMARY KEY (run_uid, uid), 
	CONSTRAINT fk_catalog_resource_run_uid FOREIGN KEY(run_uid) REFERENCES catalog_run (uid)
);
INSERT INTO "catalog_resource" VALUES('917c3759-2f30-4666-88f4-dff43fa7bfca','835fc377-0b52-5675-9396-84a377690450','{"uid": "835fc377-0b52-5675-9396-84a377690450", "spec": "ANNEX_PNG", "root": "", "resource_path": "s3://rubinobs-lfa-upgrade-simcam/2026/11/20/SIMCAM-upWrite.upPicture-20261120-2026-11-20T20:00:37.000-detector=0-d0760925-2128-4789-bb95-d810e95cc42b.1.png", "resource_kwargs": {"dataset": "835fc377-0b52-5675-9396-84a377690450", "size": 16, "sha256": "fa5f0bfc613caa8d1dbd75890f07e9d1f012d6248806422b3ba9a7a2b7ad980f"}, "path_semantics": "posix", "run_start": "917c3759-2f30-4666-88f4-dff43fa7bfca"}');
INSERT INTO "catalog_resource" VALUES('917c3759-2f30-4666-88f4-dff43fa7bfca','77ca8c36-e760-5b82-8722-b536ae35c9a2','{"uid": "77ca8c36-e760-5b82-8722-b536ae35c9a2", "spec": "ANNEX_PNG", "root": "", "resource_path": "s3://rubinobs-lfa-upgrade-simcam/2026/11/20/SIMCAM-upWrite.upPicture-20261120-2026-11-20T20:01:07.000-detector=0-393e5d97-596d-481b-b074-614f8a11dfde.1.png", "resource_kwargs": {"dataset": "77ca8c36-e760-5b82-8722-b536ae35c9a2", "size": 16, "sha256": "fa5f0bfc613caa8d1dbd75890f07e9d1f012d6248806422b3ba9a7a2b7ad980f"}, "path_semantics": "posix", "run_start": "917c3759-2f30-4666-88f4-dff43fa7bfca"}');
INSERT INTO "catalog_resource" VALUES('c2277bf9-bdf3-4b91-95e6-bc86fd0fd47a','eb63e395-2610-5006-ba2c-3cce1524faf6','{"uid": "eb63e395-2610-5006-ba2c-3cce1524faf6", "spec": "ANNEX_PNG", "root": "", "resource_path": "s3://rubinobs-lfa-upgrade-simcam/2026/11/20/SIMCAM-upWrite.upPicture-20261120-2026-11-20T20:00:37.000-detector=0-a234e9ed-415a-4952-98da-0423fec450aa.1.png", "resource_kwargs": {"dataset": "eb63e395-2610-5006-ba2c-3cce1524faf6", "size": 19, "sha256": "611393a278ac3ab0ed68db83fa61815f00ac913bbd3448dc608205bcb4aa08f4"}, "path_semantics": "posix", "run_start": "c2277bf9-bdf3-4b91-95e6-bc86fd0fd47a"}');
CREATE TABLE catalog_run (
	uid VARCHAR NOT NULL, 
	time DOUBLE NOT NULL, 
	scan_id BIGINT, 
	task VARCHAR, 
	label VARCHAR, 
	owner VARCHAR, 
	exit_status VARCHAR, 
	stop_time DOUBLE, 
	start JSON NOT NULL, 
	stop JSON, 
	start_exact TEXT, 
	stop_exact TEXT, 
	odd BOOLEAN NOT NULL, 
	packed_at DOUBLE, 
	CONSTRAINT pk_catalog_run PRIMARY KEY (uid)
);
INSERT INTO "catalog_run" VALUES('917c3759-2f30-4666-88f4-dff43fa7bfca',1.73568955236099076275e+09,1,'upWrite','demo','ann','success',1.73568956099498128888e+09,'{"uid": "917c3759-2f30-4666-88f4-dff43fa7bfca", "time": 1796086116.2759945, "scan_id": 1, "plan_name": "upWrite", "task": "upWrite", "label": "demo", "out": "demo", "run": "u/ann/upWrite/20261201T004835Z-917c3759", "collections": ["SIMCAM/raw", "SIMCAM/calib"], "owner": "ann", "config_digest": "9adf8cf6d25927bd7298a9d19fab568a6796cc18792652a614750d2b8b9afc2c", "overrides": [["words", "finished"]], "options": {}, "versions": {}, "num_points": 2, "data_id": {"detector": 0, "exposure": [2026112000001, 2026112000002], "instrument": "SIMCAM"}}','{"uid": "2667bfee-8445-5d9d-a50e-f992c3fda8c9", "run_start": "917c3759-2f30-4666-88f4-dff43fa7bfca", "time": 1796086124.909985, "exit_status": "success", "reason": "2 done", "counts": {"done": 2}, "dataset_counts": {"upPicture": 2, "upTable": 2, "upWrite_metadata": 2}, "datasets": ["835fc377-0b52-5675-9396-84a377690450", "739d2d93-a909-59a6-b05a-0ecfdef5ab45", "825e5faf-e597-5fbe-be81-6f2e7e17a8af", "77ca8c36-e760-5b82-8722-b536ae35c9a2", "54568484-bf10-531f-b168-a8ed992f64bb", "52ecc4c2-6d34-55fb-a28c-4b02a653dc2b"], "num_events": {"primary": 2}}',NULL,NULL,0,NULL);
INSERT INTO "catalog_run" VALUES('739eb132-7f07-46ed-9eab-79d2e0685059',1.73568955373298072818e+09,2,'upFail','demo','ann','fail',1.73568956044101119044e+09,'{"uid": "739eb132-7f07-46ed-9eab-79d2e0685059", "time": 1796086117.6479845, "scan_id": 2, "plan_name": "upFail", "task": "upFail", "label": "demo", "out": "demo", "run": "u/ann/upFail/20261201T004837Z-739eb132", "collections": ["SIMCAM/raw", "SIMCAM/calib"], "owner": "ann", "config_digest": "b060e47778fc0a9002dacd065e46cca7557ddfdc238c101ab273770a232e0d3e", "overrides": [["words", "failed"]], "options": {}, "versions": {}, "num_points": 1, "data_id": {"detector": 0, "exposure": 2026112000001, "instrument": "SIMCAM"}}','{"uid": "3f9af998-80b3-5160-a4dc-2a79b361e199", "run_start": "739eb132-7f07-46ed-9eab-79d2e0685059", "time": 1796086124.356015, "exit_status": "fail", "reason": "1 failed", "counts": {"failed": 1}, "dataset_counts": {"upFail_metadata": 1}, "datasets": ["4e8ed3c9-e748-59ca-9a67-677b3ea75063"], "num_events": {"problems": 1}}',NULL,NULL,0,NULL);
INSERT INTO "catalog_run" VALUES('5bcbd08b-9bc5-449f-8c0c-3d5e987c68d3',1.73568955458499789238e+09,3,'upNothing','demo','ann','success',1.73568956084100914005e+09,'{"uid": "5bcbd08b-9bc5-449f-8c0c-3d5e987c68d3", "time": 1796086118.5000017, "scan_id": 3, "plan_name": "upNothing", "task": "upNothing", "label": "demo", "out": "demo", "run": "u/ann/upNothing/20261201T004837Z-5bcbd08b", "collections": ["SIMCAM/raw", "SIMCAM/calib"], "owner": "ann", "config_digest": "6ab875fd4de4926c313382c50c36e9be9497c0be98db17345af344498d60fa6c", "overrides": [["words", "nothing"]], "options": {}, "versions": {}, "num_points": 1, "data_id": {"detector": 0, "exposure": 2026112000001, "instrument": "SIMCAM"}}','{"uid": "7f1ff3e7-3988-54b4-9930-459dd1a76ee6", "run_start": "5bcbd08b-9bc5-449f-8c0c-3d5e987c68d3", "time": 1796086124.756013, "exit_status": "success", "reason": "1 no_work", "counts": {"no_work": 1}, "dataset_counts": {"upNothing_metadata": 1}, "datasets": ["3f7a3de9-fc97-5aa2-9cfb-812a122b92ce"], "num_events": {"problems": 1}}',NULL,NULL,0,NULL);
INSERT INTO "catalog_run" VALUES('d5c3a0ef-8dfa-4f8b-bdbe-0481b54b5390',1.73568955536898088462e+09,4,'upDie','demo','ann','fail',1.73568956265198302271e+09,'{"uid": "d5c3a0ef-8dfa-4f8b-bdbe-0481b54b5390", "time": 1796086119.2839847, "scan_id": 4, "plan_name": "upDie", "task": "upDie", "label": "demo", "out": "demo", "run": "u/ann/upDie/20261201T004838Z-d5c3a0ef", "collections": ["SIMCAM/raw", "SIMCAM/calib"], "owner": "ann", "config_digest": "b2514088e3168af6aca61edf9c75648a2bbcad8ad87c42b7e32aa4688edaa6a7", "overrides": [["words", "held"]], "options": {}, "versions": {}, "num_points": 1, "data_id": {"detector": 0, "exposure": 2026112000001, "instrument": "SIMCAM"}}','{"uid": "6693122a-cb83-592b-9000-e74e0db17a18", "run_start": "d5c3a0ef-8dfa-4f8b-bdbe-0481b54b5390", "time": 1796086126.5669868, "exit_status": "fail", "reason": "1 held", "counts": {"held": 1}, "dataset_counts": {}, "datasets": [], "num_events": {"problems": 1}}',NULL,NULL,0,NULL);
INSERT INTO "catalog_run" VALUES('1738db24-9d2b-4ead-82d7-f132aa159181',1.73568958167300224299e+09,5,'upWrite','demo','ann',NULL,NULL,'{"uid": "1738db24-9d2b-4ead-82d7-f132aa159181", "time": 1796086145.588006, "scan_id": 5, "plan_name": "upWrite", "task": "upWrite", "label": "demo", "out": "demo", "run": "u/ann/upWrite/20261201T004905Z-1738db24", "collections": ["SIMCAM/raw", "SIMCAM/calib"], "owner": "ann", "config_digest": "77540f6e6f9c5c96e4b17f100939d057e4893dc8da236e800d9abc54674091f0", "overrides": [["words", "running"]], "options": {}, "versions": {}, "num_points": 6, "data_id": {"detector": 0, "exposure": [2026112000001, 2026112000002, 2026112000003, 2026112000004, 2026112000005, 2026112000006], "instrument": "SIMCAM"}}',NULL,NULL,NULL,0,NULL);
INSERT INTO "catalog_run" VALUES('fb1d72fe-73c8-4115-a720-869f91f73408',1.73568958517400932306e+09,6,'upWrite','demo','ann','abort',1.73568958529997920993e+09,'{"uid": "fb1d72fe-73c8-4115-a720-869f91f73408", "time": 1796086149.089013, "scan_id": 6, "plan_name": "upWrite", "task": "upWrite", "label": "demo", "out": "demo", "run": "u/ann/upWrite/20261201T004908Z-fb1d72fe", "collections": ["SIMCAM/raw", "SIMCAM/calib"], "owner": "ann", "config_digest": "9c8a5ed87a70ee4b07786035d8df5be3a68eca1a4fdafe6f734141f60c161ee2", "overrides": [["words", "cancelled"]], "options": {}, "versions": {}, "num_points": 2, "data_id": {"detector": 0, "exposure": [2026112000001, 2026112000002], "instrument": "SIMCAM"}}','{"uid": "7080b381-671a-5854-bf0d-0db7f56671bf", "run_start": "fb1d72fe-73c8-4115-a720-869f91f73408", "time": 1796086149.214983, "exit_status": "abort", "reason": "2 aborted", "counts": {"aborted": 2}, "dataset_counts": {}, "datasets": [], "num_events": {"problems": 2}}',NULL,NULL,0,NULL);
INSERT INTO "catalog_run" VALUES('c2277bf9-bdf3-4b91-95e6-bc86fd0fd47a',1.73568958590500497813e+09,7,'upWrite','demo','ann','success',1735689589.15198,'{"uid": "c2277bf9-bdf3-4b91-95e6-bc86fd0fd47a", "time": 1796086149.8200088, "scan_id": 7, "plan_name": "upWrite", "task": "upWrite", "label": "demo", "out": "demo", "run": "u/ann/upWrite/20261201T004909Z-c2277bf9", "collections": ["SIMCAM/raw", "SIMCAM/calib"], "owner": "ann", "config_digest": "07d40e381a28f3d24f928e4bfb86ef6e9309aa569dfc13e3ab98e72d5a78a8dd", "overrides": [["words", "unannounced"]], "options": {}, "versions": {}, "num_points": 1, "data_id": {"detector": 0, "exposure": 2026112000001, "instrument": "SIMCAM"}}','{"uid": "9112e04c-b883-5dbd-bb85-0a4f4a746cfd", "run_start": "c2277bf9-bdf3-4b91-95e6-bc86fd0fd47a", "time": 1796086153.0669837, "exit_status": "success", "reason": "1 done", "counts": {"done": 1}, "dataset_counts": {"upPicture": 1, "upTable": 1, "upWrite_metadata": 1}, "datasets": ["eb63e395-2610-5006-ba2c-3cce1524faf6", "310dc5eb-519c-5c80-abc6-4d0e05449c4d", "71bbb519-4010-5cc8-8fb6-4da43d69116c"], "num_events": {"primary": 1}}',NULL,NULL,0,NULL);
INSERT INTO "catalog_run" VALUES('233ab8c8-1329-4c78-8385-67cbda5e72b5',1.73568959179698681827e+09,8,'upWrite','demo','ann',NULL,NULL,'{"uid": "233ab8c8-1329-4c78-8385-67cbda5e72b5", "time": 1796086155.7119906, "scan_id": 8, "plan_name": "upWrite", "task": "upWrite", "label": "demo", "out": "demo", "run": "u/ann/upWrite/20261201T004915Z-233ab8c8", "collections": ["SIMCAM/raw", "SIMCAM/calib"], "owner": "ann", "config_digest": "33631bbc9a205f13a4df03389661e0c82fa74db7aa830ee84a046204892b61d3", "overrides": [["words", "delivering"]], "options": {}, "versions": {}, "num_points": 2, "data_id": {"detector": 0, "exposure": [2026112000001, 2026112000002], "instrument": "SIMCAM"}}',NULL,NULL,NULL,0,NULL);
INSERT INTO "catalog_run" VALUES('2a980026-93e8-46ce-9629-c570ae72c60b',1.73568959989297986025e+09,9,'upWrite','demo','ann',NULL,NULL,'{"uid": "2a980026-93e8-46ce-9629-c570ae72c60b", "time": 1796086163.8079836, "scan_id": 9, "plan_name": "upWrite", "task": "upWrite", "label": "demo", "out": "demo", "run": "u/ann/upWrite/20261201T004923Z-2a980026", "collections": ["SIMCAM/raw", "SIMCAM/calib"], "owner": "ann", "config_digest": "5153a741febd80c040234db1204a11f30992ec9d3f99e668920128cc8f10c777", "overrides": [["words", "unsent"]], "options": {}, "versions": {}, "num_points": 3, "data_id": {"detector": 0, "exposure": [2026112000001, 2026112000002, 2026112000003], "instrument": "SIMCAM"}}',NULL,NULL,NULL,0,NULL);
CREATE TABLE catalog_stream (
	run_uid VARCHAR NOT NULL, 
	name VARCHAR NOT NULL, 
	shapes TEXT NOT NULL, 
	n_events BIGINT NOT NULL, 
	CONSTRAINT pk_catalog_stream PRIMARY KEY (run_uid, name), 
	CONSTRAINT fk_catalog_stream_run_uid FOREIGN KEY(run_uid) REFERENCES catalog_run (uid)
);
INSERT INTO "catalog_stream" VALUES('917c3759-2f30-4666-88f4-dff43fa7bfca','primary','',2);
INSERT INTO "catalog_stream" VALUES('739eb132-7f07-46ed-9eab-79d2e0685059','problems','',1);
INSERT INTO "catalog_stream" VALUES('5bcbd08b-9bc5-449f-8c0c-3d5e987c68d3','problems','',1);
INSERT INTO "catalog_stream" VALUES('d5c3a0ef-8dfa-4f8b-bdbe-0481b54b5390','problems','',1);
INSERT INTO "catalog_stream" VALUES('fb1d72fe-73c8-4115-a720-869f91f73408','problems','',2);
INSERT INTO "catalog_stream" VALUES('c2277bf9-bdf3-4b91-95e6-bc86fd0fd47a','primary','',1);
CREATE TABLE claim (
	target_id CHAR(32) NOT NULL, 
	claim_no INTEGER NOT NULL, 
	worker VARCHAR NOT NULL, 
	pid INTEGER NOT NULL, 
	send_no INTEGER NOT NULL, 
	started_at DOUBLE NOT NULL, 
	ended_at DOUBLE, 
	"end" VARCHAR(16), 
	reason VARCHAR, 
	log VARCHAR, 
	metadata JSON, pid_started DOUBLE, 
	CONSTRAINT pk_claim PRIMARY KEY (target_id, claim_no), 
	CONSTRAINT fk_claim_target_id FOREIGN KEY(target_id) REFERENCES target (id)
);
INSERT INTO "claim" VALUES('d076092521284789bb95d810e95cc42b',1,'first@obs1/1a157f2e',28909,1,1.73568955565801572799e+09,1.73568955982001280786e+09,'done',NULL,'2026-12-01T00:48:39.575376Z [info] workers.target: target_started delivering=False worker=first@obs1/1a157f2e pid=28909
2026-12-01T00:48:40.851809Z [warning] underbutler.catalog.layouts: layout_unknown path=/home/ann/repo/u/ann/upWrite/20261201T004835Z-917c3759/upPicture/20261120/simcam-2026112000001-00/upPicture_SIMCAM_r_simcam-2026112000001-00_D0_u_ann_upWrite_20261201T004835Z-917c3759.png error=''OSError: Truncated File Read''',NULL,1.73568954780499625206e+09);
INSERT INTO "claim" VALUES('393e5d97596d481bb074614f8a11dfde',1,'first@obs1/1a157f2e',28924,1,1.73568955580901050561e+09,1.73568956099300980566e+09,'done',NULL,'2026-12-01T00:48:39.726862Z [info] workers.target: target_started delivering=False worker=first@obs1/1a157f2e pid=28924
2026-12-01T00:48:42.042155Z [warning] underbutler.catalog.layouts: layout_unknown path=/home/ann/repo/u/ann/upWrite/20261201T004835Z-917c3759/upPicture/20261120/simcam-2026112000002-00/upPicture_SIMCAM_r_simcam-2026112000002-00_D0_u_ann_upWrite_20261201T004835Z-917c3759.png error=''OSError: Truncated File Read''',NULL,1.73568954914499616625e+09);
INSERT INTO "claim" VALUES('933b95888bfc470087b647f3f871b8ba',1,'first@obs1/1a157f2e',28909,1,1.73568956006100940702e+09,1.73568956043199896814e+09,'failed','ArithmeticError: this exposure cannot be reduced','2026-12-01T00:48:43.977800Z [info] workers.target: target_started delivering=False worker=first@obs1/1a157f2e pid=28909
2026-12-01T00:48:44.344930Z [error] underbutler: Traceback (most recent call last):
  File "/opt/underbutler/workers/reducing.py", line 92, in _called
    struct = _call(runner, target)
             ^^^^^^^^^^^^^^^^^^^^^
  File "/opt/underbutler/workers/reducing.py", line 115, in _call
    struct = runner(target)
             ^^^^^^^^^^^^^^
  File "/opt/underbutler/underbutler/pipe/task_runner.py", line 214, in __call__
    return self._run_target(args, dataRef, kwargs)
           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  File "/opt/underbutler/underbutler/pipe/task_runner.py", line 240, in _run_target
    result = self.runTask(task, dataRef, kwargs)
             ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  File "/opt/underbutler/underbutler/pipe/task_runner.py", line 218, in runTask
    return task.runDataRef(dataRef, **kwargs)
           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  File "/opt/underbutler/tasks/upgrade_tasks.py", line 49, in runDataRef
    raise ArithmeticError("this exposure cannot be reduced")
ArithmeticError: this exposure cannot be reduced
2026-12-01T00:48:44.346782Z [error] workers.target: target_failed state=failed error=''ArithmeticError: this exposure cannot be reduced'' seconds=0.367',NULL,1.73568954780499625206e+09);
INSERT INTO "claim" VALUES('eb5e107e68de4907a58e97f8b4cf423e',1,'first@obs1/1a157f2e',28909,1,1.73568956057398176198e+09,1.73568956084000325205e+09,'no_work','nothing to do here','2026-12-01T00:48:44.490159Z [info] workers.target: target_started delivering=False worker=first@obs1/1a157f2e pid=28909',NULL,1.73568954780499625206e+09);
INSERT INTO "claim" VALUES('67074c1ea7f0416fa99078660c7f9f46',1,'first@obs1/1a157f2e',28909,1,1.73568956093599939343e+09,1.7356895626469941139e+09,'died','its process 28909 is gone: it was killed, or ran out of memory','2026-12-01T00:48:44.863990Z [info] workers.target: target_started delivering=False worker=first@obs1/1a157f2e pid=28909',NULL,1.73568954780499625206e+09);
INSERT INTO "claim" VALUES('6de7326c4cf74e028fe3bf0ea9cd6e9e',1,'second@obs1/72ed8ba1',29105,1,1.73568958333801031117e+09,NULL,NULL,NULL,NULL,NULL,1.73568957831499624247e+09);
INSERT INTO "claim" VALUES('49262eb3d9d74c008e828305f93128ae',1,'second@obs1/72ed8ba1',29107,1,1.73568958354098653792e+09,NULL,NULL,NULL,NULL,NULL,1.73568957973499631876e+09);
INSERT INTO "claim" VALUES('a234e9ed415a495298da0423fec450aa',1,'alone@obs1',28080,1,1.73568958799801325793e+09,1.73568958914900279047e+09,'done',NULL,'',NULL,NULL);
INSERT INTO "claim" VALUES('4324756defb74c30a87ad8d13541793f',1,'alone@obs1',28080,1,1.73568959236101508138e+09,1.73568959889000797277e+09,'given_back','AnnexUnavailableError: The annex at http://127.0.0.1:1 does not answer (Could not connect to the endpoint URL: "http://127.0.0.1:1/rubinobs-lfa-upgrade-simcam/2026/11/20/SIMCAM-upWrite.upPicture-20261120-2026-11-20T20%3A00%3A37.000-detector%3D0-4324756d-efb7-4c30-a87a-d8d13541793f.1.png"). Start one with `underbutler up`, or set S3_ENDPOINT_URL.','',NULL,NULL);
INSERT INTO "claim" VALUES('34b3e8ba989d492794e8b618d7ef5d71',1,'alone@obs1',28080,1,1.73568959893599462506e+09,1.73568959941199278838e+09,'given_back','AnnexUnavailableError: The annex at http://127.0.0.1:1 does not answer (Could not connect to the endpoint URL: "http://127.0.0.1:1/rubinobs-lfa-upgrade-simcam/2026/11/20/SIMCAM-upWrite.upPicture-20261120-2026-11-20T20%3A01%3A07.000-detector%3D0-34b3e8ba-989d-4927-94e8-b618d7ef5d71.1.png"). Start one with `underbutler up`, or set S3_ENDPOINT_URL.','',NULL,NULL);
CREATE TABLE firing (
	job_id CHAR(32) NOT NULL, 
	schedule_id CHAR(32) NOT NULL, 
	due_at DOUBLE NOT NULL, 
	state VARCHAR(16) NOT NULL, 
	lane VARCHAR(16) NOT NULL, 
	definition JSON NOT NULL, 
	missed INTEGER NOT NULL, 
	fired_at DOUBLE NOT NULL, 
	fired_by VARCHAR NOT NULL, 
	attempts INTEGER NOT NULL, 
	not_before DOUBLE, 
	lease_until DOUBLE, 
	lease_holder VARCHAR, 
	started_at DOUBLE, 
	ended_at DOUBLE, 
	told VARCHAR, 
	CONSTRAINT pk_firing PRIMARY KEY (job_id), 
	CONSTRAINT fk_firing_schedule_id FOREIGN KEY(schedule_id) REFERENCES schedule (id), 
	CONSTRAINT uq_firing_schedule_id UNIQUE (schedule_id, due_at)
);
INSERT INTO "firing" VALUES('4b03a31bb95a52c6bffda81ad2e5b945','0b678e356d4356f7899b9011e470d521',1.73568960058499622339e+09,'waiting','submission','{"name": "nightly", "when": {"every": 600}, "task": "upWrite", "repo": "demo", "id": {"instrument": "SIMCAM", "detector": 0}, "query": "exposure < 2026112000003", "config": {"words": "fired"}, "options": ["--no-versions"]}',0,1.73568959997300362586e+09,'ann',0,NULL,NULL,NULL,NULL,NULL,NULL);
CREATE TABLE intent (
	dataset_id CHAR(32) NOT NULL, 
	target_id CHAR(32) NOT NULL, 
	claim_no INTEGER NOT NULL, 
	dataset_type VARCHAR NOT NULL, 
	run VARCHAR NOT NULL, 
	data_id JSON NOT NULL, 
	created_at DOUBLE NOT NULL, 
	CONSTRAINT pk_intent PRIMARY KEY (dataset_id), 
	CONSTRAINT fk_intent_target_id FOREIGN KEY(target_id) REFERENCES target (id)
);
INSERT INTO "intent" VALUES('739d2d93a90959a6b05a0ecfdef5ab45','d076092521284789bb95d810e95cc42b',1,'upTable','u/ann/upWrite/20261201T004835Z-917c3759','{"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000001}',1.73568955609201049797e+09);
INSERT INTO "intent" VALUES('825e5fafe5975fbebe816f2e7e17a8af','d076092521284789bb95d810e95cc42b',1,'upWrite_metadata','u/ann/upWrite/20261201T004835Z-917c3759','{"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000001}',1.73568955609201049797e+09);
INSERT INTO "intent" VALUES('835fc3770b525675939684a377690450','d076092521284789bb95d810e95cc42b',1,'upPicture','u/ann/upWrite/20261201T004835Z-917c3759','{"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000001}',1.73568955609201049797e+09);
INSERT INTO "intent" VALUES('52ecc4c26d3455fba28c4b02a653dc2b','393e5d97596d481bb074614f8a11dfde',1,'upWrite_metadata','u/ann/upWrite/20261201T004835Z-917c3759','{"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000002}',1.7356895569620118141e+09);
INSERT INTO "intent" VALUES('54568484bf10531fb168a8ed992f64bb','393e5d97596d481bb074614f8a11dfde',1,'upTable','u/ann/upWrite/20261201T004835Z-917c3759','{"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000002}',1.7356895569620118141e+09);
INSERT INTO "intent" VALUES('77ca8c36e7605b828722b536ae35c9a2','393e5d97596d481bb074614f8a11dfde',1,'upPicture','u/ann/upWrite/20261201T004835Z-917c3759','{"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000002}',1.7356895569620118141e+09);
INSERT INTO "intent" VALUES('4e8ed3c9e74859ca9a67677b3ea75063','933b95888bfc470087b647f3f871b8ba',1,'upFail_metadata','u/ann/upFail/20261201T004837Z-739eb132','{"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000001}',1.73568956018098449704e+09);
INSERT INTO "intent" VALUES('3f7a3de9fc975aa29cfb812a122b92ce','eb5e107e68de4907a58e97f8b4cf423e',1,'upNothing_metadata','u/ann/upNothing/20261201T004837Z-5bcbd08b','{"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000001}',1.73568956066201186176e+09);
INSERT INTO "intent" VALUES('969498bba1745018a711845a96cc74a7','6de7326c4cf74e028fe3bf0ea9cd6e9e',1,'upTable','u/ann/upWrite/20261201T004905Z-1738db24','{"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000002}',1.73568958373100757598e+09);
INSERT INTO "intent" VALUES('9974bcefa6ae5c6d8e7ad660b67dea08','6de7326c4cf74e028fe3bf0ea9cd6e9e',1,'upPicture','u/ann/upWrite/20261201T004905Z-1738db24','{"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000002}',1.73568958373100757598e+09);
INSERT INTO "intent" VALUES('a318bb83a9505c7b91523a010b774552','6de7326c4cf74e028fe3bf0ea9cd6e9e',1,'upWrite_metadata','u/ann/upWrite/20261201T004905Z-1738db24','{"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000002}',1.73568958373100757598e+09);
INSERT INTO "intent" VALUES('06cb5d9c499257f7af9db2c791f74ee4','49262eb3d9d74c008e828305f93128ae',1,'upWrite_metadata','u/ann/upWrite/20261201T004905Z-1738db24','{"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000001}',1.73568958403999805449e+09);
INSERT INTO "intent" VALUES('47c7f53bf88952d896bbc01606bafbc1','49262eb3d9d74c008e828305f93128ae',1,'upPicture','u/ann/upWrite/20261201T004905Z-1738db24','{"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000001}',1.73568958403999805449e+09);
INSERT INTO "intent" VALUES('fad4d46924095287adb343679dc80483','49262eb3d9d74c008e828305f93128ae',1,'upTable','u/ann/upWrite/20261201T004905Z-1738db24','{"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000001}',1.73568958403999805449e+09);
INSERT INTO "intent" VALUES('310dc5eb519c5c80abc64d0e05449c4d','a234e9ed415a495298da0423fec450aa',1,'upTable','u/ann/upWrite/20261201T004909Z-c2277bf9','{"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000001}',1.73568958819499468805e+09);
INSERT INTO "intent" VALUES('71bbb51940105cc88fb64da43d69116c','a234e9ed415a495298da0423fec450aa',1,'upWrite_metadata','u/ann/upWrite/20261201T004909Z-c2277bf9','{"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000001}',1.73568958819499468805e+09);
INSERT INTO "intent" VALUES('eb63e39526105006ba2c3cce1524faf6','a234e9ed415a495298da0423fec450aa',1,'upPicture','u/ann/upWrite/20261201T004909Z-c2277bf9','{"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000001}',1.73568958819499468805e+09);
INSERT INTO "intent" VALUES('0b272c4e8bd05e178f556c2a12f1dca6','4324756defb74c30a87ad8d13541793f',1,'upPicture','u/ann/upWrite/20261201T004915Z-233ab8c8','{"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000001}',1.73568959254500126835e+09);
INSERT INTO "intent" VALUES('4a73da58ccb95ed2b25f4c82da347528','4324756defb74c30a87ad8d13541793f',1,'upTable','u/ann/upWrite/20261201T004915Z-233ab8c8','{"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000001}',1.73568959254500126835e+09);
INSERT INTO "intent" VALUES('e2297d2dfc6e5dfda74804ea5b4a9a68','4324756defb74c30a87ad8d13541793f',1,'upWrite_metadata','u/ann/upWrite/20261201T004915Z-233ab8c8','{"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000001}',1.73568959254500126835e+09);
INSERT INTO "intent" VALUES('2131dd39cb2c558198478246f355d22c','34b3e8ba989d492794e8b618d7ef5d71',1,'upPicture','u/ann/upWrite/20261201T004915Z-233ab8c8','{"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000002}',1.73568959898898172384e+09);
INSERT INTO "intent" VALUES('2990b32ba5b055c0b7b29a2a9ca2885d','34b3e8ba989d492794e8b618d7ef5d71',1,'upTable','u/ann/upWrite/20261201T004915Z-233ab8c8','{"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000002}',1.73568959898898172384e+09);
INSERT INTO "intent" VALUES('d13c703fa5605acfb075bf0cb1ee04e4','34b3e8ba989d492794e8b618d7ef5d71',1,'upWrite_metadata','u/ann/upWrite/20261201T004915Z-233ab8c8','{"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000002}',1.73568959898898172384e+09);
CREATE TABLE job (
	id CHAR(32) NOT NULL, 
	scan_id BIGINT NOT NULL, 
	task VARCHAR NOT NULL, 
	repo VARCHAR NOT NULL, 
	out VARCHAR NOT NULL, 
	run VARCHAR NOT NULL, 
	user VARCHAR NOT NULL, 
	phase VARCHAR(16) NOT NULL, 
	overrides JSON NOT NULL, 
	config JSON NOT NULL, 
	config_digest VARCHAR NOT NULL, 
	options JSON NOT NULL, 
	versions JSON NOT NULL, 
	collections JSON NOT NULL, 
	n_targets INTEGER NOT NULL, 
	n_open INTEGER NOT NULL, 
	n_failed INTEGER NOT NULL, 
	n_aborted INTEGER NOT NULL, 
	created_at DOUBLE NOT NULL, 
	queued_at DOUBLE, 
	started_at DOUBLE, 
	ended_at DOUBLE, 
	destruction_at DOUBLE, 
	parent_id CHAR(32), 
	cancel_requested BOOLEAN NOT NULL, 
	error VARCHAR, 
	traceparent VARCHAR, token_handle VARCHAR, 
	CONSTRAINT pk_job PRIMARY KEY (id), 
	CONSTRAINT uq_job_scan_id UNIQUE (scan_id), 
	CONSTRAINT fk_job_parent_id FOREIGN KEY(parent_id) REFERENCES job (id), 
	CONSTRAINT ck_job_open_targets CHECK (n_open >= 0 AND n_open <= n_targets)
);
INSERT INTO "job" VALUES('917c37592f30466688f4dff43fa7bfca',1,'upWrite','demo','demo','u/ann/upWrite/20261201T004835Z-917c3759','ann','COMPLETED','[["words", "finished"]]','{"words": "finished"}','9adf8cf6d25927bd7298a9d19fab568a6796cc18792652a614750d2b8b9afc2c','{}','{}','["SIMCAM/raw", "SIMCAM/calib"]',2,0,0,0,1.73568955236099076275e+09,1.73568955236099076275e+09,1.73568955565801572799e+09,1.73568956099498128888e+09,NULL,NULL,0,NULL,NULL,NULL);
INSERT INTO "job" VALUES('739eb1327f0746ed9eab79d2e0685059',2,'upFail','demo','demo','u/ann/upFail/20261201T004837Z-739eb132','ann','ERROR','[["words", "failed"]]','{"words": "failed"}','b060e47778fc0a9002dacd065e46cca7557ddfdc238c101ab273770a232e0d3e','{}','{}','["SIMCAM/raw", "SIMCAM/calib"]',1,0,1,0,1.73568955373298072818e+09,1.73568955373298072818e+09,1.73568956006100940702e+09,1.73568956044101119044e+09,NULL,NULL,0,NULL,NULL,NULL);
INSERT INTO "job" VALUES('5bcbd08b9bc5449f8c0c3d5e987c68d3',3,'upNothing','demo','demo','u/ann/upNothing/20261201T004837Z-5bcbd08b','ann','COMPLETED','[["words", "nothing"]]','{"words": "nothing"}','6ab875fd4de4926c313382c50c36e9be9497c0be98db17345af344498d60fa6c','{}','{}','["SIMCAM/raw", "SIMCAM/calib"]',1,0,0,0,1.73568955458499789238e+09,1.73568955458499789238e+09,1.73568956057398176198e+09,1.73568956084100914005e+09,NULL,NULL,0,NULL,NULL,NULL);
INSERT INTO "job" VALUES('d5c3a0ef8dfa4f8bbdbe0481b54b5390',4,'upDie','demo','demo','u/ann/upDie/20261201T004838Z-d5c3a0ef','ann','ERROR','[["words", "held"]]','{"words": "held"}','b2514088e3168af6aca61edf9c75648a2bbcad8ad87c42b7e32aa4688edaa6a7','{}','{}','["SIMCAM/raw", "SIMCAM/calib"]',1,0,1,0,1.73568955536898088462e+09,1.73568955536898088462e+09,1.73568956093599939343e+09,1.73568956265198302271e+09,NULL,NULL,0,NULL,NULL,NULL);
INSERT INTO "job" VALUES('1738db249d2b4ead82d7f132aa159181',5,'upWrite','demo','demo','u/ann/upWrite/20261201T004905Z-1738db24','ann','EXECUTING','[["words", "running"]]','{"words": "running"}','77540f6e6f9c5c96e4b17f100939d057e4893dc8da236e800d9abc54674091f0','{}','{}','["SIMCAM/raw", "SIMCAM/calib"]',6,6,0,0,1.73568958167300224299e+09,1.73568958167300224299e+09,1.73568958333801031117e+09,NULL,NULL,NULL,0,NULL,NULL,NULL);
INSERT INTO "job" VALUES('fb1d72fe73c84115a720869f91f73408',6,'upWrite','demo','demo','u/ann/upWrite/20261201T004908Z-fb1d72fe','ann','ABORTED','[["words", "cancelled"]]','{"words": "cancelled"}','9c8a5ed87a70ee4b07786035d8df5be3a68eca1a4fdafe6f734141f60c161ee2','{}','{}','["SIMCAM/raw", "SIMCAM/calib"]',2,0,0,2,1.73568958517400932306e+09,1.73568958517400932306e+09,NULL,1.73568958529997920993e+09,NULL,NULL,1,NULL,NULL,NULL);
INSERT INTO "job" VALUES('c2277bf9bdf34b9195e6bc86fd0fd47a',7,'upWrite','demo','demo','u/ann/upWrite/20261201T004909Z-c2277bf9','ann','COMPLETED','[["words", "unannounced"]]','{"words": "unannounced"}','07d40e381a28f3d24f928e4bfb86ef6e9309aa569dfc13e3ab98e72d5a78a8dd','{}','{}','["SIMCAM/raw", "SIMCAM/calib"]',1,0,0,0,1.73568958590500497813e+09,1.73568958590500497813e+09,1.73568958799801325793e+09,1735689589.15198,NULL,NULL,0,NULL,NULL,NULL);
INSERT INTO "job" VALUES('233ab8c813294c78838567cbda5e72b5',8,'upWrite','demo','demo','u/ann/upWrite/20261201T004915Z-233ab8c8','ann','EXECUTING','[["words", "delivering"]]','{"words": "delivering"}','33631bbc9a205f13a4df03389661e0c82fa74db7aa830ee84a046204892b61d3','{}','{}','["SIMCAM/raw", "SIMCAM/calib"]',2,2,0,0,1.73568959179698681827e+09,1.73568959179698681827e+09,1.73568959236101508138e+09,NULL,NULL,NULL,0,NULL,NULL,NULL);
INSERT INTO "job" VALUES('2a98002693e846ce9629c570ae72c60b',9,'upWrite','demo','demo','u/ann/upWrite/20261201T004923Z-2a980026','ann','QUEUED','[["words", "unsent"]]','{"words": "unsent"}','5153a741febd80c040234db1204a11f30992ec9d3f99e668920128cc8f10c777','{}','{}','["SIMCAM/raw", "SIMCAM/calib"]',3,3,0,0,1.73568959989297986025e+09,1.73568959989297986025e+09,NULL,NULL,NULL,NULL,0,NULL,NULL,NULL);
CREATE TABLE notice (
	id VARCHAR NOT NULL, 
	job_id CHAR(32) NOT NULL, 
	target_id CHAR(32) NOT NULL, 
	body JSON NOT NULL, 
	routing_key VARCHAR NOT NULL, 
	created_at DOUBLE NOT NULL, 
	send_lease_until DOUBLE, 
	sent_at DOUBLE, 
	CONSTRAINT pk_notice PRIMARY KEY (id), 
	CONSTRAINT fk_notice_job_id FOREIGN KEY(job_id) REFERENCES job (id), 
	CONSTRAINT fk_notice_target_id FOREIGN KEY(target_id) REFERENCES target (id)
);
INSERT INTO "notice" VALUES('835fc377-0b52-5675-9396-84a377690450.1','917c37592f30466688f4dff43fa7bfca','d076092521284789bb95d810e95cc42b','{"url": "s3://rubinobs-lfa-upgrade-simcam/2026/11/20/SIMCAM-upWrite.upPicture-20261120-2026-11-20T20:00:37.000-detector=0-d0760925-2128-4789-bb95-d810e95cc42b.1.png", "generator": "upWrite.upPicture", "version": 1.0, "byteSize": 16, "checkSum": "fa5f0bfc613caa8d1dbd75890f07e9d1f012d6248806422b3ba9a7a2b7ad980f", "mimeType": "image/png", "id": "835fc377-0b52-5675-9396-84a377690450.1", "job": "917c3759-2f30-4666-88f4-dff43fa7bfca", "target": "d0760925-2128-4789-bb95-d810e95cc42b", "dataset": "835fc377-0b52-5675-9396-84a377690450", "data_id": {"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000001}, "sent_at": 1796086123.706}','SIMCAM.upWrite.upPicture',1.73568955982001280786e+09,NULL,1.73568955999200940135e+09);
INSERT INTO "notice" VALUES('77ca8c36-e760-5b82-8722-b536ae35c9a2.1','917c37592f30466688f4dff43fa7bfca','393e5d97596d481bb074614f8a11dfde','{"url": "s3://rubinobs-lfa-upgrade-simcam/2026/11/20/SIMCAM-upWrite.upPicture-20261120-2026-11-20T20:01:07.000-detector=0-393e5d97-596d-481b-b074-614f8a11dfde.1.png", "generator": "upWrite.upPicture", "version": 1.0, "byteSize": 16, "checkSum": "fa5f0bfc613caa8d1dbd75890f07e9d1f012d6248806422b3ba9a7a2b7ad980f", "mimeType": "image/png", "id": "77ca8c36-e760-5b82-8722-b536ae35c9a2.1", "job": "917c3759-2f30-4666-88f4-dff43fa7bfca", "target": "393e5d97-596d-481b-b074-614f8a11dfde", "dataset": "77ca8c36-e760-5b82-8722-b536ae35c9a2", "data_id": {"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000002}, "sent_at": 1796086124.87}','SIMCAM.upWrite.upPicture',1.73568956099300980566e+09,NULL,1.73568956122000527374e+09);
INSERT INTO "notice" VALUES('eb63e395-2610-5006-ba2c-3cce1524faf6.1','c2277bf9bdf34b9195e6bc86fd0fd47a','a234e9ed415a495298da0423fec450aa','{"url": "s3://rubinobs-lfa-upgrade-simcam/2026/11/20/SIMCAM-upWrite.upPicture-20261120-2026-11-20T20:00:37.000-detector=0-a234e9ed-415a-4952-98da-0423fec450aa.1.png", "generator": "upWrite.upPicture", "version": 1.0, "byteSize": 19, "checkSum": "611393a278ac3ab0ed68db83fa61815f00ac913bbd3448dc608205bcb4aa08f4", "mimeType": "image/png", "id": "eb63e395-2610-5006-ba2c-3cce1524faf6.1", "job": "c2277bf9-bdf3-4b91-95e6-bc86fd0fd47a", "target": "a234e9ed-415a-4952-98da-0423fec450aa", "dataset": "eb63e395-2610-5006-ba2c-3cce1524faf6", "data_id": {"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000001}, "sent_at": 1796086153.045}','SIMCAM.upWrite.upPicture',1.73568958914900279047e+09,NULL,NULL);
CREATE TABLE parked (
	id CHAR(32) NOT NULL, 
	digest VARCHAR NOT NULL, 
	kind VARCHAR NOT NULL, 
	reason VARCHAR NOT NULL, 
	fingerprint VARCHAR NOT NULL, 
	queue VARCHAR NOT NULL, 
	task VARCHAR, 
	headers JSON, 
	raw BLOB NOT NULL, 
	worker VARCHAR NOT NULL, 
	count INTEGER NOT NULL, 
	first_at DOUBLE NOT NULL, 
	last_at DOUBLE NOT NULL, 
	discarded_at DOUBLE, 
	CONSTRAINT pk_parked PRIMARY KEY (id), 
	CONSTRAINT uq_parked_digest UNIQUE (digest)
);
INSERT INTO "parked" VALUES('eeb9b138a09b41b9b6fa73825a99a365','5f28bab90826ec120c0abec9b997d3c02724bb1859bb8e9ce565e1435cd82b7f','foreign','The message for ''upWrite'' has no ''underbutler'' header: Underbutler did not send it. Submit with `underbutler submit`.','2942331b815d','reduce','upWrite','{"lang": "py", "task": "upWrite", "id": "a240430d-2949-45b8-9f70-c05c4f61a46b", "shadow": null, "eta": null, "expires": null, "group": null, "group_index": null, "retries": 0, "timelimit": [null, null], "root_id": "a240430d-2949-45b8-9f70-c05c4f61a46b", "parent_id": null, "argsrepr": "(''not a data reference'',)", "kwargsrepr": "{}", "origin": "gen28080@obs1", "ignore_result": null, "replaced_task_nesting": 0, "stamped_headers": null, "stamps": {}}',X'5B5B226E6F7420612064617461207265666572656E6365225D2C207B7D2C207B2263616C6C6261636B73223A206E756C6C2C20226572726261636B73223A206E756C6C2C2022636861696E223A206E756C6C2C202263686F7264223A206E756C6C7D5D','first@obs1',1,1.73568956131499576569e+09,1.73568956131499576569e+09,NULL);
CREATE TABLE product (
	dataset_id CHAR(32) NOT NULL, 
	target_id CHAR(32) NOT NULL, 
	claim_no INTEGER NOT NULL, 
	dataset_type VARCHAR NOT NULL, 
	data_id JSON NOT NULL, 
	large BOOLEAN NOT NULL, 
	url VARCHAR, 
	byte_size BIGINT, 
	sha256 VARCHAR(64), 
	etag VARCHAR, 
	mime_type VARCHAR, 
	delivered_at DOUBLE, 
	CONSTRAINT pk_product PRIMARY KEY (dataset_id), 
	CONSTRAINT fk_product_target_id FOREIGN KEY(target_id) REFERENCES target (id)
);
INSERT INTO "product" VALUES('739d2d93a90959a6b05a0ecfdef5ab45','d076092521284789bb95d810e95cc42b',1,'upTable','{"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000001}',0,NULL,16,NULL,NULL,'application/yaml',NULL);
INSERT INTO "product" VALUES('835fc3770b525675939684a377690450','d076092521284789bb95d810e95cc42b',1,'upPicture','{"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000001}',1,'s3://rubinobs-lfa-upgrade-simcam/2026/11/20/SIMCAM-upWrite.upPicture-20261120-2026-11-20T20:00:37.000-detector=0-d0760925-2128-4789-bb95-d810e95cc42b.1.png',16,'fa5f0bfc613caa8d1dbd75890f07e9d1f012d6248806422b3ba9a7a2b7ad980f','49b7f724ec112c270aa3265ab31c468d','image/png',1.73568955982001280786e+09);
INSERT INTO "product" VALUES('825e5fafe5975fbebe816f2e7e17a8af','d076092521284789bb95d810e95cc42b',1,'upWrite_metadata','{"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000001}',0,NULL,90,NULL,NULL,'application/json',NULL);
INSERT INTO "product" VALUES('54568484bf10531fb168a8ed992f64bb','393e5d97596d481bb074614f8a11dfde',1,'upTable','{"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000002}',0,NULL,16,NULL,NULL,'application/yaml',NULL);
INSERT INTO "product" VALUES('77ca8c36e7605b828722b536ae35c9a2','393e5d97596d481bb074614f8a11dfde',1,'upPicture','{"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000002}',1,'s3://rubinobs-lfa-upgrade-simcam/2026/11/20/SIMCAM-upWrite.upPicture-20261120-2026-11-20T20:01:07.000-detector=0-393e5d97-596d-481b-b074-614f8a11dfde.1.png',16,'fa5f0bfc613caa8d1dbd75890f07e9d1f012d6248806422b3ba9a7a2b7ad980f','49b7f724ec112c270aa3265ab31c468d','image/png',1.73568956099300980566e+09);
INSERT INTO "product" VALUES('52ecc4c26d3455fba28c4b02a653dc2b','393e5d97596d481bb074614f8a11dfde',1,'upWrite_metadata','{"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000002}',0,NULL,90,NULL,NULL,'application/json',NULL);
INSERT INTO "product" VALUES('4e8ed3c9e74859ca9a67677b3ea75063','933b95888bfc470087b647f3f871b8ba',1,'upFail_metadata','{"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000001}',0,NULL,89,NULL,NULL,NULL,NULL);
INSERT INTO "product" VALUES('3f7a3de9fc975aa29cfb812a122b92ce','eb5e107e68de4907a58e97f8b4cf423e',1,'upNothing_metadata','{"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000001}',0,NULL,92,NULL,NULL,NULL,NULL);
INSERT INTO "product" VALUES('310dc5eb519c5c80abc64d0e05449c4d','a234e9ed415a495298da0423fec450aa',1,'upTable','{"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000001}',0,NULL,19,NULL,NULL,'application/yaml',NULL);
INSERT INTO "product" VALUES('eb63e39526105006ba2c3cce1524faf6','a234e9ed415a495298da0423fec450aa',1,'upPicture','{"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000001}',1,'s3://rubinobs-lfa-upgrade-simcam/2026/11/20/SIMCAM-upWrite.upPicture-20261120-2026-11-20T20:00:37.000-detector=0-a234e9ed-415a-4952-98da-0423fec450aa.1.png',19,'611393a278ac3ab0ed68db83fa61815f00ac913bbd3448dc608205bcb4aa08f4','f40319ba0d8298b323ad8f75377a86ad','image/png',1.73568958914900279047e+09);
INSERT INTO "product" VALUES('71bbb51940105cc88fb64da43d69116c','a234e9ed415a495298da0423fec450aa',1,'upWrite_metadata','{"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000001}',0,NULL,90,NULL,NULL,'application/json',NULL);
INSERT INTO "product" VALUES('4a73da58ccb95ed2b25f4c82da347528','4324756defb74c30a87ad8d13541793f',1,'upTable','{"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000001}',0,NULL,18,NULL,NULL,'application/yaml',NULL);
INSERT INTO "product" VALUES('0b272c4e8bd05e178f556c2a12f1dca6','4324756defb74c30a87ad8d13541793f',1,'upPicture','{"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000001}',1,NULL,18,NULL,NULL,'image/png',NULL);
INSERT INTO "product" VALUES('e2297d2dfc6e5dfda74804ea5b4a9a68','4324756defb74c30a87ad8d13541793f',1,'upWrite_metadata','{"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000001}',0,NULL,90,NULL,NULL,'application/json',NULL);
INSERT INTO "product" VALUES('2990b32ba5b055c0b7b29a2a9ca2885d','34b3e8ba989d492794e8b618d7ef5d71',1,'upTable','{"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000002}',0,NULL,18,NULL,NULL,'application/yaml',NULL);
INSERT INTO "product" VALUES('2131dd39cb2c558198478246f355d22c','34b3e8ba989d492794e8b618d7ef5d71',1,'upPicture','{"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000002}',1,NULL,18,NULL,NULL,'image/png',NULL);
INSERT INTO "product" VALUES('d13c703fa5605acfb075bf0cb1ee04e4','34b3e8ba989d492794e8b618d7ef5d71',1,'upWrite_metadata','{"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000002}',0,NULL,90,NULL,NULL,'application/json',NULL);
CREATE TABLE schedule (
	id CHAR(32) NOT NULL, 
	name VARCHAR NOT NULL, 
	definition JSON, 
	next_due DOUBLE, 
	since DOUBLE NOT NULL, 
	paused BOOLEAN DEFAULT 0 NOT NULL, 
	source VARCHAR NOT NULL, 
	error VARCHAR, 
	changed_at DOUBLE NOT NULL, 
	changed_by VARCHAR NOT NULL, 
	removed_at DOUBLE, 
	looked_at DOUBLE, 
	CONSTRAINT pk_schedule PRIMARY KEY (id), 
	CONSTRAINT uq_schedule_name UNIQUE (name)
);
INSERT INTO "schedule" VALUES('0b678e356d4356f7899b9011e470d521','nightly','{"name": "nightly", "when": {"every": 600}, "task": "upWrite", "repo": "demo", "id": {"instrument": "SIMCAM", "detector": 0}, "query": "exposure < 2026112000003", "config": {"words": "fired"}, "options": ["--no-versions"]}',1.73568963608499622348e+09,1.73568959992399978638e+09,1,'schedules.toml',NULL,1.73568959995401358607e+09,'ann',NULL,NULL);
CREATE TABLE submission (
	job_id CHAR(32) NOT NULL, 
	repo VARCHAR NOT NULL, 
	out VARCHAR NOT NULL, 
	run VARCHAR NOT NULL, 
	own_run BOOLEAN NOT NULL, 
	user VARCHAR NOT NULL, 
	created_at DOUBLE NOT NULL, 
	taken_at DOUBLE, 
	CONSTRAINT pk_submission PRIMARY KEY (job_id)
);
CREATE TABLE sweep_state (
	name VARCHAR NOT NULL, 
	at DOUBLE NOT NULL, 
	body JSON, 
	CONSTRAINT pk_sweep_state PRIMARY KEY (name)
);
CREATE TABLE target (
	id CHAR(32) NOT NULL, 
	job_id CHAR(32) NOT NULL, 
	ordinal INTEGER NOT NULL, 
	state VARCHAR(16) NOT NULL, 
	task VARCHAR NOT NULL, 
	queue VARCHAR NOT NULL, 
	data_id JSON NOT NULL, 
	args JSON NOT NULL, 
	digest VARCHAR(64) NOT NULL, 
	argsrepr VARCHAR NOT NULL, 
	kwargsrepr VARCHAR NOT NULL, 
	queued_at DOUBLE NOT NULL, 
	send_no INTEGER NOT NULL, 
	sent_at DOUBLE, 
	send_lease_until DOUBLE, 
	claim_no INTEGER NOT NULL, 
	deaths INTEGER NOT NULL, 
	worker_deaths INTEGER NOT NULL, 
	transient_retries INTEGER NOT NULL, 
	not_before DOUBLE, 
	lease_until DOUBLE, 
	lease_worker VARCHAR, 
	lease_pid INTEGER, 
	started_at DOUBLE, 
	ended_at DOUBLE, 
	exit_status INTEGER, 
	error_type VARCHAR, 
	error_text VARCHAR, 
	seconds DOUBLE, 
	scalars JSON, cancel_requested BOOLEAN DEFAULT 0 NOT NULL, waiting_since DOUBLE, waiting_reason VARCHAR, replayed_as CHAR(32), discarded_at DOUBLE, fingerprint VARCHAR, checked_at DOUBLE, 
	CONSTRAINT pk_target PRIMARY KEY (id), 
	CONSTRAINT fk_target_job_id FOREIGN KEY(job_id) REFERENCES job (id) DEFERRABLE INITIALLY DEFERRED
);
INSERT INTO "target" VALUES('d076092521284789bb95d810e95cc42b','917c37592f30466688f4dff43fa7bfca',0,'done','upWrite','reduce','{"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000001}','[{"v": 1, "repo": "demo", "out": "demo", "dataset_type": "raw", "data_id": {"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000001}, "collections": ["SIMCAM/raw", "SIMCAM/calib"], "run": "u/ann/upWrite/20261201T004835Z-917c3759", "universe": ["daf_butler", 8]}, {}]','3b562efa8f4aad81d0ecc903ef38b7119955e2aadcbcf4211e5dce749a4aa7a1','detector=0 exposure=2026112000001 instrument=''SIMCAM''','',1.73568955236099076275e+09,1,1.73568955302998733517e+09,NULL,1,0,0,0,NULL,NULL,NULL,NULL,1.73568955565801572799e+09,1.73568955982001280786e+09,0,NULL,NULL,1.28,'{}',0,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "target" VALUES('393e5d97596d481bb074614f8a11dfde','917c37592f30466688f4dff43fa7bfca',1,'done','upWrite','reduce','{"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000002}','[{"v": 1, "repo": "demo", "out": "demo", "dataset_type": "raw", "data_id": {"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000002}, "collections": ["SIMCAM/raw", "SIMCAM/calib"], "run": "u/ann/upWrite/20261201T004835Z-917c3759", "universe": ["daf_butler", 8]}, {}]','c0838d78bb6f5474a9718e19dbf707ee6667959750e592570816e805f9915169','detector=0 exposure=2026112000002 instrument=''SIMCAM''','',1.73568955236099076275e+09,1,1.73568955302998733517e+09,NULL,1,0,0,0,NULL,NULL,NULL,NULL,1.73568955580901050561e+09,1.73568956099300980566e+09,0,NULL,NULL,2.359,'{}',0,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "target" VALUES('933b95888bfc470087b647f3f871b8ba','739eb1327f0746ed9eab79d2e0685059',0,'failed','upFail','reduce','{"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000001}','[{"v": 1, "repo": "demo", "out": "demo", "dataset_type": "raw", "data_id": {"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000001}, "collections": ["SIMCAM/raw", "SIMCAM/calib"], "run": "u/ann/upFail/20261201T004837Z-739eb132", "universe": ["daf_butler", 8]}, {}]','5125f2cbdf65d2b2b37beb991ad95d449986dc0de350b5be05a66fa46627c10f','detector=0 exposure=2026112000001 instrument=''SIMCAM''','',1.73568955373298072818e+09,1,1.73568955384599566457e+09,NULL,1,0,0,0,NULL,NULL,NULL,NULL,1.73568956006100940702e+09,1.73568956043199896814e+09,1,'ArithmeticError','this exposure cannot be reduced',0.367,NULL,0,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "target" VALUES('eb5e107e68de4907a58e97f8b4cf423e','5bcbd08b9bc5449f8c0c3d5e987c68d3',0,'no_work','upNothing','reduce','{"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000001}','[{"v": 1, "repo": "demo", "out": "demo", "dataset_type": "raw", "data_id": {"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000001}, "collections": ["SIMCAM/raw", "SIMCAM/calib"], "run": "u/ann/upNothing/20261201T004837Z-5bcbd08b", "universe": ["daf_butler", 8]}, {}]','61092c710c2abbcd5529aa1dbcdec8a0a12dec08e9e4d503ab036e050cdb95f2','detector=0 exposure=2026112000001 instrument=''SIMCAM''','',1.73568955458499789238e+09,1,1.73568955466200423236e+09,NULL,1,0,0,0,NULL,NULL,NULL,NULL,1.73568956057398176198e+09,1.73568956084000325205e+09,0,NULL,NULL,NULL,NULL,0,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "target" VALUES('67074c1ea7f0416fa99078660c7f9f46','d5c3a0ef8dfa4f8bbdbe0481b54b5390',0,'held','upDie','reduce','{"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000001}','[{"v": 1, "repo": "demo", "out": "demo", "dataset_type": "raw", "data_id": {"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000001}, "collections": ["SIMCAM/raw", "SIMCAM/calib"], "run": "u/ann/upDie/20261201T004838Z-d5c3a0ef", "universe": ["daf_butler", 8]}, {}]','0b03e4266c688ac8a8b657a242bee60df343a004e812a6f09ac1c2468ae3119b','detector=0 exposure=2026112000001 instrument=''SIMCAM''','',1.73568955536898088462e+09,1,1.73568955542301392555e+09,NULL,1,1,0,0,NULL,NULL,NULL,NULL,1.73568956093599939343e+09,1.7356895626469941139e+09,NULL,'Held','claim 1 by first@obs1/1a157f2e died: its process 28909 is gone: it was killed, or ran out of memory',NULL,NULL,0,NULL,NULL,NULL,NULL,'61bdadbff285',NULL);
INSERT INTO "target" VALUES('49262eb3d9d74c008e828305f93128ae','1738db249d2b4ead82d7f132aa159181',0,'running','upWrite','reduce','{"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000001}','[{"v": 1, "repo": "demo", "out": "demo", "dataset_type": "raw", "data_id": {"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000001}, "collections": ["SIMCAM/raw", "SIMCAM/calib"], "run": "u/ann/upWrite/20261201T004905Z-1738db24", "universe": ["daf_butler", 8]}, {}]','2a880dc8760cc750668ebbd10e1ef0a1a3a91f806f5e167d872b36e1f1930847','detector=0 exposure=2026112000001 instrument=''SIMCAM''','',1.73568958167300224299e+09,1,1.735689581782999754e+09,NULL,1,0,0,0,NULL,1.7356895875409865379e+09,'second@obs1/72ed8ba1',29107,1.73568958354098653792e+09,NULL,NULL,NULL,NULL,NULL,NULL,0,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "target" VALUES('6de7326c4cf74e028fe3bf0ea9cd6e9e','1738db249d2b4ead82d7f132aa159181',1,'running','upWrite','reduce','{"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000002}','[{"v": 1, "repo": "demo", "out": "demo", "dataset_type": "raw", "data_id": {"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000002}, "collections": ["SIMCAM/raw", "SIMCAM/calib"], "run": "u/ann/upWrite/20261201T004905Z-1738db24", "universe": ["daf_butler", 8]}, {}]','261ccd0a5a6c93cbccf295b5e8154dcea92f9ae86083e3f1814db7b3508c3593','detector=0 exposure=2026112000002 instrument=''SIMCAM''','',1.73568958167300224299e+09,1,1.735689581782999754e+09,NULL,1,0,0,0,NULL,1.7356895873380103111e+09,'second@obs1/72ed8ba1',29105,1.73568958333801031117e+09,NULL,NULL,NULL,NULL,NULL,NULL,0,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "target" VALUES('3ed82de574c74f208a00ffb71c89ed6d','1738db249d2b4ead82d7f132aa159181',2,'queued','upWrite','reduce','{"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000003}','[{"v": 1, "repo": "demo", "out": "demo", "dataset_type": "raw", "data_id": {"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000003}, "collections": ["SIMCAM/raw", "SIMCAM/calib"], "run": "u/ann/upWrite/20261201T004905Z-1738db24", "universe": ["daf_butler", 8]}, {}]','d64f6a9d32122710c65c5ad17041f34a9719e081e44827f20b1f63153c7b10e8','detector=0 exposure=2026112000003 instrument=''SIMCAM''','',1.73568958167300224299e+09,1,1.735689581782999754e+09,NULL,0,0,0,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,0,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "target" VALUES('66b5c927a3af45bc80025be1eed38ed5','1738db249d2b4ead82d7f132aa159181',3,'queued','upWrite','reduce','{"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000004}','[{"v": 1, "repo": "demo", "out": "demo", "dataset_type": "raw", "data_id": {"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000004}, "collections": ["SIMCAM/raw", "SIMCAM/calib"], "run": "u/ann/upWrite/20261201T004905Z-1738db24", "universe": ["daf_butler", 8]}, {}]','2ed520431734a615e1a653511cee7af59f795b73f65d34c80db07611fa711b00','detector=0 exposure=2026112000004 instrument=''SIMCAM''','',1.73568958167300224299e+09,1,1.735689581782999754e+09,NULL,0,0,0,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,0,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "target" VALUES('af8b865741fc42ebb899d08fb5b98796','1738db249d2b4ead82d7f132aa159181',4,'queued','upWrite','reduce','{"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000005}','[{"v": 1, "repo": "demo", "out": "demo", "dataset_type": "raw", "data_id": {"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000005}, "collections": ["SIMCAM/raw", "SIMCAM/calib"], "run": "u/ann/upWrite/20261201T004905Z-1738db24", "universe": ["daf_butler", 8]}, {}]','78c71b9d863501db7664fb44ba0125acbeaea07bb05f58a2857ee5e657107b97','detector=0 exposure=2026112000005 instrument=''SIMCAM''','',1.73568958167300224299e+09,1,1.735689581782999754e+09,NULL,0,0,0,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,0,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "target" VALUES('a0e4b4890c0f43ad89446d19b0a0d026','1738db249d2b4ead82d7f132aa159181',5,'queued','upWrite','reduce','{"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000006}','[{"v": 1, "repo": "demo", "out": "demo", "dataset_type": "raw", "data_id": {"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000006}, "collections": ["SIMCAM/raw", "SIMCAM/calib"], "run": "u/ann/upWrite/20261201T004905Z-1738db24", "universe": ["daf_butler", 8]}, {}]','b05bc019e09c8ae00aec206f60392dd55f35a3fd3def0f29eb9e445ee0a48574','detector=0 exposure=2026112000006 instrument=''SIMCAM''','',1.73568958167300224299e+09,1,1.735689581782999754e+09,NULL,0,0,0,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,0,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "target" VALUES('36cc5ca9d3574bf09881d8067f40544a','fb1d72fe73c84115a720869f91f73408',0,'aborted','upWrite','reduce','{"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000001}','[{"v": 1, "repo": "demo", "out": "demo", "dataset_type": "raw", "data_id": {"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000001}, "collections": ["SIMCAM/raw", "SIMCAM/calib"], "run": "u/ann/upWrite/20261201T004908Z-fb1d72fe", "universe": ["daf_butler", 8]}, {}]','c92b4bbfde5431f9598768cf31ef6564438eb1eec0c133fc5f22d666a4bf0bd2','detector=0 exposure=2026112000001 instrument=''SIMCAM''','',1.73568958517400932306e+09,1,1.73568958524699211119e+09,NULL,0,0,0,0,NULL,NULL,NULL,NULL,NULL,1.73568958529700183863e+09,NULL,NULL,NULL,NULL,NULL,1,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "target" VALUES('5ef4bc247bc2479291c6c917eeae895d','fb1d72fe73c84115a720869f91f73408',1,'aborted','upWrite','reduce','{"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000002}','[{"v": 1, "repo": "demo", "out": "demo", "dataset_type": "raw", "data_id": {"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000002}, "collections": ["SIMCAM/raw", "SIMCAM/calib"], "run": "u/ann/upWrite/20261201T004908Z-fb1d72fe", "universe": ["daf_butler", 8]}, {}]','af542a48eb554a0ee81fcef96a44de4a6d5fa9135422049ed85a31bca633bce8','detector=0 exposure=2026112000002 instrument=''SIMCAM''','',1.73568958517400932306e+09,1,1.73568958524699211119e+09,NULL,0,0,0,0,NULL,NULL,NULL,NULL,NULL,1.73568958529700183863e+09,NULL,NULL,NULL,NULL,NULL,1,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "target" VALUES('a234e9ed415a495298da0423fec450aa','c2277bf9bdf34b9195e6bc86fd0fd47a',0,'done','upWrite','reduce','{"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000001}','[{"v": 1, "repo": "demo", "out": "demo", "dataset_type": "raw", "data_id": {"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000001}, "collections": ["SIMCAM/raw", "SIMCAM/calib"], "run": "u/ann/upWrite/20261201T004909Z-c2277bf9", "universe": ["daf_butler", 8]}, {}]','9b42b01262ec4c35980e6ce0ea646672a33c98c6494d24086b1ca7a9f528ee53','detector=0 exposure=2026112000001 instrument=''SIMCAM''','',1.73568958590500497813e+09,1,1.73568958599098324777e+09,NULL,1,0,0,0,NULL,NULL,NULL,NULL,1.73568958799801325793e+09,1.73568958914900279047e+09,0,NULL,NULL,0.604,'{}',0,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "target" VALUES('4324756defb74c30a87ad8d13541793f','233ab8c813294c78838567cbda5e72b5',0,'delivering','upWrite','reduce','{"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000001}','[{"v": 1, "repo": "demo", "out": "demo", "dataset_type": "raw", "data_id": {"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000001}, "collections": ["SIMCAM/raw", "SIMCAM/calib"], "run": "u/ann/upWrite/20261201T004915Z-233ab8c8", "universe": ["daf_butler", 8]}, {}]','f9dd9d8cec5355cc8d6da14cfb4629c83bd7a20e7e289d728ef415c187f18165','detector=0 exposure=2026112000001 instrument=''SIMCAM''','',1.73568959889000797277e+09,1,NULL,NULL,1,0,0,0,1.73568959932673454278e+09,NULL,NULL,NULL,1.73568959236101508138e+09,NULL,NULL,NULL,NULL,0.537,'{}',0,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "target" VALUES('34b3e8ba989d492794e8b618d7ef5d71','233ab8c813294c78838567cbda5e72b5',1,'delivering','upWrite','reduce','{"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000002}','[{"v": 1, "repo": "demo", "out": "demo", "dataset_type": "raw", "data_id": {"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000002}, "collections": ["SIMCAM/raw", "SIMCAM/calib"], "run": "u/ann/upWrite/20261201T004915Z-233ab8c8", "universe": ["daf_butler", 8]}, {}]','d1b052e14843ab122184cea4775b433a985ea7010b7eef8baaa2627e93044389','detector=0 exposure=2026112000002 instrument=''SIMCAM''','',1.73568959941199278838e+09,1,NULL,NULL,1,0,0,0,1.73568959976584529878e+09,NULL,NULL,NULL,1.73568959893599462506e+09,NULL,NULL,NULL,NULL,0.305,'{}',0,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "target" VALUES('cdc3656e46604ce28bcf298327e8a6b4','2a98002693e846ce9629c570ae72c60b',0,'queued','upWrite','reduce','{"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000001}','[{"v": 1, "repo": "demo", "out": "demo", "dataset_type": "raw", "data_id": {"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000001}, "collections": ["SIMCAM/raw", "SIMCAM/calib"], "run": "u/ann/upWrite/20261201T004923Z-2a980026", "universe": ["daf_butler", 8]}, {}]','eafdcee215548c0a59d23537d1780892bb68e1a2baa59789d8988ef59ebcb61d','detector=0 exposure=2026112000001 instrument=''SIMCAM''','',1.73568959989297986025e+09,0,NULL,NULL,0,0,0,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,0,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "target" VALUES('c732e8e147854b7e87c28a4556133ad4','2a98002693e846ce9629c570ae72c60b',1,'queued','upWrite','reduce','{"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000002}','[{"v": 1, "repo": "demo", "out": "demo", "dataset_type": "raw", "data_id": {"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000002}, "collections": ["SIMCAM/raw", "SIMCAM/calib"], "run": "u/ann/upWrite/20261201T004923Z-2a980026", "universe": ["daf_butler", 8]}, {}]','eb7f2e4508e60200e4a2b2a41d4a1fb81eb4ee8b09c1e901e0a0a2279a3b6224','detector=0 exposure=2026112000002 instrument=''SIMCAM''','',1.73568959989297986025e+09,0,NULL,NULL,0,0,0,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,0,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "target" VALUES('ebf353314cf34911a4a8224bf0837e59','2a98002693e846ce9629c570ae72c60b',2,'queued','upWrite','reduce','{"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000003}','[{"v": 1, "repo": "demo", "out": "demo", "dataset_type": "raw", "data_id": {"instrument": "SIMCAM", "detector": 0, "exposure": 2026112000003}, "collections": ["SIMCAM/raw", "SIMCAM/calib"], "run": "u/ann/upWrite/20261201T004923Z-2a980026", "universe": ["daf_butler", 8]}, {}]','4b15968a41d3371339464eaeefd6eee8f3aa79064a8cf94f7472c522de5bc7d5','detector=0 exposure=2026112000003 instrument=''SIMCAM''','',1.73568959989297986025e+09,0,NULL,NULL,0,0,0,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,0,NULL,NULL,NULL,NULL,NULL,NULL);
CREATE TABLE token (
	handle VARCHAR NOT NULL, 
	user VARCHAR NOT NULL, 
	ciphertext BLOB NOT NULL, 
	expires_at DOUBLE NOT NULL, 
	created_at DOUBLE NOT NULL, 
	CONSTRAINT pk_token PRIMARY KEY (handle)
);
CREATE TABLE underbutler_revision (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT underbutler_revision_pkc PRIMARY KEY (version_num)
);
INSERT INTO "underbutler_revision" VALUES('0004');
CREATE TABLE upload (
	bucket VARCHAR NOT NULL, 
	"key" VARCHAR NOT NULL, 
	target_id CHAR(32) NOT NULL, 
	claim_no INTEGER NOT NULL, 
	created_at DOUBLE NOT NULL, 
	cleaned_at DOUBLE, 
	CONSTRAINT pk_upload PRIMARY KEY (bucket, "key")
);
INSERT INTO "upload" VALUES('rubinobs-lfa-upgrade-simcam','2026/11/20/SIMCAM-upWrite.upPicture-20261120-2026-11-20T20:00:37.000-detector=0-d0760925-2128-4789-bb95-d810e95cc42b.1.png','d076092521284789bb95d810e95cc42b',1,1.73568955696297740932e+09,NULL);
INSERT INTO "upload" VALUES('rubinobs-lfa-upgrade-simcam','2026/11/20/SIMCAM-upWrite.upPicture-20261120-2026-11-20T20:01:07.000-detector=0-393e5d97-596d-481b-b074-614f8a11dfde.1.png','393e5d97596d481bb074614f8a11dfde',1,1.73568955817198324205e+09,NULL);
INSERT INTO "upload" VALUES('rubinobs-lfa-upgrade-simcam','2026/11/20/SIMCAM-upWrite.upPicture-20261120-2026-11-20T20:00:37.000-detector=0-a234e9ed-415a-4952-98da-0423fec450aa.1.png','a234e9ed415a495298da0423fec450aa',1,1.73568958861100530624e+09,NULL);
INSERT INTO "upload" VALUES('rubinobs-lfa-upgrade-simcam','2026/11/20/SIMCAM-upWrite.upPicture-20261120-2026-11-20T20:00:37.000-detector=0-4324756d-efb7-4c30-a87a-d8d13541793f.1.png','4324756defb74c30a87ad8d13541793f',1,1.73568959289997816084e+09,NULL);
INSERT INTO "upload" VALUES('rubinobs-lfa-upgrade-simcam','2026/11/20/SIMCAM-upWrite.upPicture-20261120-2026-11-20T20:01:07.000-detector=0-34b3e8ba-989d-4927-94e8-b618d7ef5d71.1.png','34b3e8ba989d492794e8b618d7ef5d71',1,1.73568959925798034669e+09,NULL);
CREATE TABLE worker (
	id VARCHAR NOT NULL, 
	name VARCHAR NOT NULL, 
	host VARCHAR NOT NULL, 
	pid INTEGER NOT NULL, 
	keeper_pid INTEGER NOT NULL, 
	queue VARCHAR NOT NULL, 
	concurrency INTEGER NOT NULL, 
	started_at DOUBLE NOT NULL, 
	seen_at DOUBLE NOT NULL, 
	ended_at DOUBLE, 
	unfit_reason VARCHAR, 
	unfit_since DOUBLE, 
	CONSTRAINT pk_worker PRIMARY KEY (id)
);
INSERT INTO "worker" VALUES('first@obs1/1a157f2e','first@obs1','obs1',28689,28882,'reduce',2,1.73568955192301273347e+09,1.73568956383998703957e+09,NULL,NULL,NULL);
INSERT INTO "worker" VALUES('second@obs1/72ed8ba1','second@obs1','obs1',29011,29099,'reduce',2,1.73568958248699903483e+09,1.73568958248699903483e+09,NULL,NULL,NULL);
CREATE INDEX ix_job_phase ON job (phase);
CREATE INDEX ix_job_parent_id ON job (parent_id);
CREATE UNIQUE INDEX ix_target_job_id_ordinal ON target (job_id, ordinal);
CREATE INDEX ix_target_job_id_state ON target (job_id, state);
CREATE INDEX ix_target_leased ON target (lease_until) WHERE lease_until IS NOT NULL;
CREATE INDEX ix_intent_target_id_claim_no ON intent (target_id, claim_no);
CREATE INDEX ix_product_target_id ON product (target_id);
CREATE INDEX ix_notice_job_id ON notice (job_id);
CREATE INDEX ix_notice_unsent ON notice (created_at) WHERE sent_at IS NULL;
CREATE INDEX ix_job_destruction_at ON job (destruction_at);
CREATE INDEX ix_claim_expired ON claim (ended_at) WHERE "end" = 'expired';
CREATE INDEX ix_target_unsent ON target (queued_at, ordinal) WHERE state IN ('queued', 'delivering') AND lease_until IS NULL AND sent_at IS NULL;
CREATE INDEX ix_target_sent ON target (queue, sent_at) WHERE state IN ('queued', 'delivering') AND lease_until IS NULL AND sent_at IS NOT NULL;
CREATE INDEX ix_target_unchecked ON target (ended_at) WHERE ended_at IS NOT NULL AND checked_at IS NULL;
CREATE INDEX ix_target_held ON target (fingerprint) WHERE state = 'held';
CREATE INDEX ix_upload_target_id_claim_no ON upload (target_id, claim_no);
CREATE INDEX ix_parked_fingerprint ON parked (fingerprint);
CREATE INDEX ix_catalog_run_time_uid ON catalog_run (time, uid);
CREATE INDEX ix_catalog_run_task_exit_status_time_uid ON catalog_run (task, exit_status, time, uid);
CREATE INDEX ix_catalog_run_task_time_uid ON catalog_run (task, time, uid);
CREATE INDEX ix_catalog_run_exit_status_time_uid ON catalog_run (exit_status, time, uid);
CREATE INDEX ix_catalog_run_label_time_uid ON catalog_run (label, time, uid);
CREATE INDEX ix_catalog_run_owner_time_uid ON catalog_run (owner, time, uid);
CREATE INDEX ix_catalog_run_scan_id_time_uid ON catalog_run (scan_id, time, uid);
CREATE INDEX ix_catalog_run_odd ON catalog_run (uid) WHERE odd;
CREATE INDEX ix_catalog_run_unpacked ON catalog_run (uid) WHERE packed_at IS NULL AND stop_time IS NOT NULL;
CREATE INDEX ix_catalog_data_id_dimension_word_run_uid ON catalog_data_id (dimension, word, run_uid) WHERE word IS NOT NULL;
CREATE INDEX ix_catalog_data_id_dimension_number_run_uid ON catalog_data_id (dimension, number, run_uid) WHERE number IS NOT NULL;
CREATE INDEX ix_catalog_data_id_dimension_gap_run_uid ON catalog_data_id (dimension, gap, run_uid) WHERE gap IS NOT NULL;
CREATE INDEX ix_catalog_descriptor_run_uid_time ON catalog_descriptor (run_uid, time);
CREATE INDEX ix_catalog_event_descriptor_uid_seq_num_time_uid ON catalog_event (descriptor_uid, seq_num, time, uid);
CREATE INDEX ix_catalog_resource_uid ON catalog_resource (uid);
CREATE INDEX ix_catalog_datum_run_uid_resource_uid ON catalog_datum (run_uid, resource_uid);
CREATE INDEX ix_catalog_dataset_run_uid_event_uid ON catalog_dataset (run_uid, event_uid);
CREATE INDEX ix_schedule_next_due ON schedule (next_due);
CREATE INDEX ix_firing_open ON firing (lane, due_at) WHERE ended_at IS NULL;
COMMIT;
